using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using KvChat.Kernels;
using KvChat.Kernels.Quantization;

namespace KvChat.Runtime.Models.Safetensors;

/// <summary>
/// Weights in the safetensors format, mapped into memory for reading: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.
/// </summary>
/// <remarks>Matrices live as long as the weights are open. Do not let another process cut a file short while it is open.</remarks>
public sealed class SafetensorsWeights : IWeightSource, IDisposable
{
    /// <summary>Name of the file of a model that is not split.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>Name of the list of shards.</summary>
    public const string IndexName = "model.safetensors.index.json";

    private const int LongestIndex = 64 << 20, MostShards = 4096;

    private readonly List<SafetensorsPart> _parts;
    private readonly Dictionary<string, SafetensorsTensor> _tensors;

    private SafetensorsWeights(List<SafetensorsPart> parts, Dictionary<string, SafetensorsTensor> tensors)
    {
        _parts = parts;
        _tensors = tensors;
    }

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>Opens the weights of a folder in the Hugging Face layout.</summary>
    /// <param name="folder">Where <c>model.safetensors</c> lies, or <c>model.safetensors.index.json</c> with its shards.</param>
    /// <exception cref="FileNotFoundException">The folder has neither, or a shard is missing.</exception>
    /// <exception cref="ModelFileException">A file is damaged, or the index does not fit its shards.</exception>
    public static SafetensorsWeights Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string whole = Path.Combine(folder, FileName), index = Path.Combine(folder, IndexName);
        if (File.Exists(whole))
            return OpenFile(whole);
        return File.Exists(index)
            ? OpenShards(folder, ReadIndex(SmallFile.Read(index, LongestIndex)))
            : throw new FileNotFoundException($"'{folder}' has neither {FileName} nor {IndexName}.", whole);
    }

    /// <summary>Opens one file from a buffer, which is pinned until the weights are disposed.</summary>
    /// <param name="file">The bytes of a whole file.</param>
    /// <param name="name">How messages call it.</param>
    /// <exception cref="ModelFileException">The bytes are not a safetensors file, or a damaged one.</exception>
    public static SafetensorsWeights Open(ReadOnlyMemory<byte> file, string name = "buffer") => Of(SafetensorsPart.Open(ModelBytes.Pin(file, name)));

    /// <inheritdoc/>
    public bool Has(string name) => _tensors.ContainsKey(name);

    /// <summary>The number of rows of a tensor with two dimensions, slowest first.</summary>
    /// <exception cref="ModelFileException">The tensor is missing or has another number of dimensions.</exception>
    public int RowsOf(string name)
    {
        SafetensorsTensor tensor = Require(name);
        return tensor.Shape is [> 0 and <= int.MaxValue, > 0 and <= int.MaxValue] ? (int)tensor.Shape[0] : throw tensor.Error($"has shape {Shown(tensor)}; a matrix is needed.");
    }

    /// <inheritdoc/>
    public unsafe MatrixData Matrix(string name, int rows, int columns, int pairedHeadDim = 0)
    {
        SafetensorsTensor tensor = Require(name);
        return tensor.Shape is [var r, var c] && r == rows && c == columns
            ? new MatrixData(Format(tensor), rows, columns, tensor.Data, pairedHeadDim)
            : throw tensor.Error($"has shape {Shown(tensor)}; the model's configuration asks for [{rows}, {columns}].");
    }

    /// <inheritdoc/>
    public unsafe float[] Vector(string name, int length)
    {
        SafetensorsTensor tensor = Require(name);
        if (tensor.Shape is not [var size] || size != length)
            throw tensor.Error($"has shape {Shown(tensor)}; the model's configuration asks for [{length}].");
        var values = new float[length];
        fixed (float* to = values)
            Dequantizer.Dequantize(Format(tensor), tensor.Data, to, length);
        return values;
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (SafetensorsPart part in _parts)
            part.Dispose();
    }

    private static SafetensorsWeights OpenFile(string path) => Of(SafetensorsPart.Open(Map(path)));

    private static SafetensorsWeights Of(SafetensorsPart part) => new([part], new(part.Tensors, StringComparer.Ordinal));

    private static ModelBytes Map(string path) => ModelBytes.Map(path, "one .safetensors file", "the length of its header");

    private static SafetensorsWeights OpenShards(string folder, Dictionary<string, string> index)
    {
        Dictionary<string, SafetensorsPart> shards = new(StringComparer.Ordinal);
        Dictionary<string, SafetensorsTensor> tensors = new(StringComparer.Ordinal);
        try
        {
            foreach ((string name, string file) in index)
            {
                if (!shards.TryGetValue(file, out SafetensorsPart? part))
                    shards.Add(file, part = SafetensorsPart.Open(Map(Path.Combine(folder, file))));
                if (!part.Tensors.TryGetValue(name, out SafetensorsTensor? tensor))
                    throw new ModelFileException($"weight_map.{ModelFileException.Printable(name)}", null, $"names {file}, which has no such tensor.", IndexName);
                tensors.Add(name, tensor);
            }

            return new SafetensorsWeights([.. shards.Values], tensors);
        }
        catch
        {
            foreach (SafetensorsPart part in shards.Values)
                part.Dispose();
            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(byte[] json)
    {
        using JsonDocument document = SmallFile.Parse(json, IndexName);
        var fields = new JsonFields(document.RootElement, IndexName);
        Dictionary<string, string> index = new(StringComparer.Ordinal);
        HashSet<string> files = new(StringComparer.Ordinal);
        foreach ((string name, string file) in fields.Required("weight_map").Texts())
        {
            // A list of weights is no right to read elsewhere.
            bool isPlain = file.EndsWith(".safetensors", StringComparison.Ordinal) && file.AsSpan().IndexOfAny("/\\:\0") < 0;
            if (!isPlain)
            {
                throw new ModelFileException(
                    $"weight_map.{ModelFileException.Printable(name)}", null, $"is '{ModelFileException.Printable(file)}'; it must be the name of a .safetensors file beside the index.", IndexName);
            }

            if (files.Add(file) && files.Count > MostShards)
                throw new ModelFileException("weight_map", null, $"names more than {MostShards} files.", IndexName);
            index.Add(name, file);
        }

        return index;
    }

    [SuppressMessage("Globalization", "CA1305", Justification = "Only whole numbers are printed.")]
    private static string Shown(SafetensorsTensor tensor) => $"[{string.Join(", ", tensor.Shape)}]";

    private static WeightFormat Format(SafetensorsTensor tensor) => tensor.Type switch
    {
        "F32" => WeightFormat.F32,
        "F16" => WeightFormat.F16,
        "BF16" => WeightFormat.BF16,
        _ => throw tensor.Error($"is stored as {tensor.Type}, which is not supported; supported are F32, F16 and BF16. Convert the model, or take a GGUF file of it."),
    };

    private SafetensorsTensor Require(string name) => _tensors.TryGetValue(name, out SafetensorsTensor? tensor)
        ? tensor
        : throw new ModelFileException(ModelFileException.Printable(name), null, $"is missing; the model has {_tensors.Count} tensors, but none of that name.", _parts[0].Bytes.Name);
}
