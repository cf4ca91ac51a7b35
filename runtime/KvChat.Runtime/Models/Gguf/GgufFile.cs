using System.Diagnostics.CodeAnalysis;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>
/// A model file in the GGUF format (versions 2 and 3, little endian), mapped into memory for reading, from one file or from all parts of a split one.
/// </summary>
/// <remarks>
/// <para>The whole header is checked when the file is opened; after that no tensor reaches outside of it, whatever the file says.</para>
/// <para>Tensors live as long as the file is open. Do not dispose it while another thread still reads weights, and do not let another process cut the file
/// short while it is open: the operating system would end this process at the first read of a page that is gone.</para>
/// </remarks>
public sealed class GgufFile : IDisposable
{
    private readonly List<GgufPart> _parts;
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (GgufUnsupportedTensor Tensor, string File)> _unsupported = new(StringComparer.Ordinal);

    private GgufFile(List<GgufPart> parts)
    {
        GgufSplit.Check(parts);
        _parts = parts;
        foreach (GgufPart part in parts)
        {
            foreach (GgufTensor tensor in part.Tensors)
            {
                CheckNew(tensor.Name, part);
                _tensors.Add(tensor.Name, tensor);
            }

            foreach (GgufUnsupportedTensor tensor in part.Unsupported)
            {
                CheckNew(tensor.Name, part);
                _unsupported.Add(tensor.Name, (tensor, part.Bytes.Name));
            }
        }
    }

    /// <summary>Version of the format that the (first) file names: 2 or 3.</summary>
    public uint Version => _parts[0].Version;

    /// <summary>The key-value pairs of the (first) file.</summary>
    public GgufMetadata Metadata => _parts[0].Metadata;

    /// <summary>All tensors of formats that KvChat reads, by name, from all parts.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => _tensors;

    /// <summary>Opens a model file. Any part of a split model (<c>name-00001-of-0000N.gguf</c>) opens all of it; the parts lie in one folder.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">The file is not a GGUF file, is damaged, or its parts do not belong together.</exception>
    /// <exception cref="FileNotFoundException">There is no such file, or a part is missing.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static GgufFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return OpenAll(opened =>
        {
            GgufPart given = Add(opened, Map(path));
            foreach (string other in GgufSplit.OtherParts(given, Path.GetFullPath(path)))
            {
                _ = Add(opened, Map(other));
            }
        });
    }

    /// <summary>Opens a model from a buffer, which is pinned until the model is disposed.</summary>
    /// <param name="file">The bytes of a whole file.</param>
    /// <param name="name">How messages call it.</param>
    /// <exception cref="ModelFileException">The bytes are not a GGUF file, or a damaged one, or one part of several.</exception>
    public static GgufFile Open(ReadOnlyMemory<byte> file, string name = "buffer") => Open([file], name);

    /// <summary>Opens a split model from buffers, which are pinned until the model is disposed.</summary>
    /// <param name="parts">The bytes of all parts, in any order.</param>
    /// <param name="name">How messages call the model.</param>
    /// <exception cref="ModelFileException">A part is not a GGUF file or a damaged one, or the parts do not belong together.</exception>
    /// <exception cref="ArgumentException">There are no parts.</exception>
    public static GgufFile Open(IReadOnlyList<ReadOnlyMemory<byte>> parts, string name = "buffer")
    {
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Count == 0)
        {
            throw new ArgumentException("A model has at least one part.", nameof(parts));
        }

        return OpenAll(opened =>
        {
            for (int index = 0; index < parts.Count; index++)
            {
                _ = Add(opened, ModelBytes.Pin(parts[index], parts.Count == 1 ? name : $"{name}[{index}]"));
            }
        });
    }

    /// <summary>The tensor of a name.</summary>
    /// <exception cref="ModelFileException">The model has no such tensor, or one of a type that is not supported.</exception>
    public GgufTensor RequireTensor(string name) => TryGetTensor(name, out GgufTensor? tensor)
        ? tensor
        : throw new ModelFileException(ModelFileException.Printable(name), null, $"is missing; the model has {_tensors.Count} tensors, but none of that name", _parts[0].Bytes.Name);

    /// <summary>The tensor of a name, or false where the model has none.</summary>
    /// <exception cref="ModelFileException">The model has that tensor, but of a type that is not supported.</exception>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out GgufTensor? tensor)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _unsupported.TryGetValue(name, out (GgufUnsupportedTensor Tensor, string File) found)
            ? throw found.Tensor.Error(found.File)
            : _tensors.TryGetValue(name, out tensor);
    }

    /// <summary>Closes the file. Its tensors can be read no more; its metadata stays good.</summary>
    public void Dispose()
    {
        foreach (GgufPart part in _parts)
        {
            part.Bytes.Dispose();
        }
    }

    private static ModelBytes Map(string path) => ModelBytes.Map(path, "one .gguf file", "the bytes 'GGUF'");

    private static GgufFile OpenAll(Action<List<(ModelBytes Bytes, GgufPart? Part)>> open)
    {
        List<(ModelBytes Bytes, GgufPart? Part)> opened = [];
        try
        {
            open(opened);
            return new GgufFile(GgufSplit.Order([.. opened.Select(file => file.Part!)]));
        }
        catch
        {
            opened.ForEach(file => file.Bytes.Dispose());
            throw;
        }
    }

    private static GgufPart Add(List<(ModelBytes Bytes, GgufPart? Part)> opened, ModelBytes bytes)
    {
        opened.Add((bytes, null)); // from here on, closed on any error
        GgufPart part = GgufParser.Parse(bytes);
        opened[^1] = (bytes, part);
        return part;
    }

    private void CheckNew(string name, GgufPart part)
    {
        if (_tensors.ContainsKey(name) || _unsupported.ContainsKey(name))
        {
            throw new ModelFileException(ModelFileException.Printable(name), null, "is a tensor of two parts; each belongs to one", part.Bytes.Name);
        }
    }
}
