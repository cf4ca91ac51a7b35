using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace KvChat.TestSupport;

/// <summary>One named array of a <see cref="SafetensorsFile"/>.</summary>
/// <param name="Name">Its name in the header.</param>
/// <param name="Type">The file's word for the element type: <c>F32</c>, <c>F16</c>, <c>I32</c>, <c>U8</c>, ...</param>
/// <param name="Shape">Slowest dimension first.</param>
/// <param name="Bytes">Elements in little endian, row after row.</param>
public sealed record SafetensorsArray(string Name, string Type, IReadOnlyList<int> Shape, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Elements in all.</summary>
    public int Count => Shape.Aggregate(1, (product, size) => product * size);

    /// <summary>The elements as <typeparamref name="T"/>, which must be the type that the file names.</summary>
    public T[] ToArray<T>() where T : unmanaged
    {
        string asked = SafetensorsFile.TypeName<T>();
        return asked == Type
            ? MemoryMarshal.Cast<byte, T>(Bytes.Span).ToArray()
            : throw new InvalidOperationException($"Array '{Name}' holds {Type}, not {asked}.");
    }
}

/// <summary>
/// Reads the safetensors files of reference answers: 8 bytes of header length, a JSON header, then the arrays. For tests: files are trusted and small.
/// </summary>
public sealed class SafetensorsFile
{
    private readonly Dictionary<string, SafetensorsArray> _arrays;

    private SafetensorsFile(Dictionary<string, SafetensorsArray> arrays, Dictionary<string, string> metadata)
    {
        _arrays = arrays;
        Metadata = metadata;
    }

    /// <summary>All arrays by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsArray> Arrays => _arrays;

    /// <summary>The header's <c>__metadata__</c>, empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The array of that name; the error lists what the file has.</summary>
    public SafetensorsArray this[string name] => _arrays.TryGetValue(name, out SafetensorsArray? array)
        ? array
        : throw new KeyNotFoundException($"No array '{name}'; the file has {string.Join(", ", _arrays.Keys)}.");

    /// <summary>Whether the file has an array of that name.</summary>
    public bool Contains(string name) => _arrays.ContainsKey(name);

    /// <summary>The array's elements as float: an F32 array as it is, F16, BF16 and F64 converted.</summary>
    public float[] Floats(string name)
    {
        SafetensorsArray array = this[name];
        ReadOnlySpan<byte> bytes = array.Bytes.Span;
        return array.Type switch
        {
            "F32" => array.ToArray<float>(),
            "F16" => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(bytes).ToArray(), value => (float)value),
            "BF16" => Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(bytes).ToArray(), value => BitConverter.UInt32BitsToSingle((uint)value << 16)),
            "F64" => Array.ConvertAll(array.ToArray<double>(), value => (float)value),
            _ => throw new InvalidOperationException($"Array '{name}' holds {array.Type}, not floats."),
        };
    }

    /// <summary>The array's elements as int: I32 as it is, other integer types converted, overflow refused.</summary>
    public int[] Ints(string name)
    {
        SafetensorsArray array = this[name];
        return array.Type switch
        {
            "I32" => array.ToArray<int>(),
            "I64" => Array.ConvertAll(array.ToArray<long>(), value => checked((int)value)),
            "U32" => Array.ConvertAll(array.ToArray<uint>(), value => checked((int)value)),
            "I16" => Array.ConvertAll(array.ToArray<short>(), value => (int)value),
            "I8" => Array.ConvertAll(array.ToArray<sbyte>(), value => (int)value),
            "U8" or "BOOL" => Array.ConvertAll(array.Bytes.ToArray(), value => (int)value),
            _ => throw new InvalidOperationException($"Array '{name}' holds {array.Type}, not integers."),
        };
    }

    /// <summary>The array's raw bytes, whatever its type.</summary>
    public byte[] Bytes(string name) => this[name].Bytes.ToArray();

    /// <summary>Reads the whole file.</summary>
    /// <param name="path">A full path, such as <c>SharedFiles.PathOf("golden/dequant/dequant.safetensors")</c>.</param>
    public static SafetensorsFile Open(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int headerLength = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerLength));
        Dictionary<string, SafetensorsArray> arrays = [];
        Dictionary<string, string> metadata = [];
        foreach (JsonProperty entry in header.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
            {
                metadata = entry.Value.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "");
                continue;
            }

            int[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())];
            int[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32())];
            ReadOnlyMemory<byte> bytes = file.AsMemory(8 + headerLength + offsets[0], offsets[1] - offsets[0]);
            arrays.Add(entry.Name, new SafetensorsArray(entry.Name, entry.Value.GetProperty("dtype").GetString()!, shape, bytes));
        }

        return new SafetensorsFile(arrays, metadata);
    }

    internal static string TypeName<T>() where T : unmanaged => default(T) switch
    {
        float => "F32",
        double => "F64",
        Half => "F16",
        sbyte => "I8",
        short => "I16",
        int => "I32",
        long => "I64",
        byte => "U8",
        ushort => "U16",
        uint => "U32",
        ulong => "U64",
        bool => "BOOL",
        _ => throw new InvalidOperationException($"Safetensors files hold no {typeof(T).Name}."),
    };
}
