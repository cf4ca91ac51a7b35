using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;

namespace KvChat.Runtime.Models.Safetensors;

/// <summary>
/// One file in the safetensors format: eight bytes that say how long the header is, a header in JSON, then the elements of all tensors without gaps
/// (format of huggingface/safetensors). The whole header is checked when the file is opened.
/// </summary>
internal sealed class SafetensorsPart : IDisposable
{
    /// <summary>Longest header that the format allows, in bytes.</summary>
    private const int LongestHeader = 100_000_000;

    private const int LengthBytes = sizeof(ulong), MostDimensions = 8;

    private static readonly Dictionary<string, int> Bits = new(StringComparer.Ordinal)
    {
        ["BOOL"] = 8, ["U8"] = 8, ["I8"] = 8, ["F8_E4M3"] = 8, ["F8_E5M2"] = 8, ["F8_E8M0"] = 8, ["F4"] = 4, ["F6_E2M3"] = 6, ["F6_E3M2"] = 6, ["U16"] = 16, ["I16"] = 16,
        ["F16"] = 16, ["BF16"] = 16, ["U32"] = 32, ["I32"] = 32, ["F32"] = 32, ["U64"] = 64, ["I64"] = 64, ["F64"] = 64, ["C64"] = 64,
    };

    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);

    private SafetensorsPart(ModelBytes bytes)
    {
        Bytes = bytes;
    }

    /// <summary>The file.</summary>
    public ModelBytes Bytes { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <summary>Opens a file and takes charge of its bytes, also when it fails.</summary>
    /// <exception cref="ModelFileException">It is not a safetensors file, or a damaged one.</exception>
    public static SafetensorsPart Open(ModelBytes bytes)
    {
        try
        {
            var part = new SafetensorsPart(bytes);
            part.ReadHeader();
            return part;
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    public void Dispose() => Bytes.Dispose();

    private unsafe void ReadHeader()
    {
        if (Bytes.Length < LengthBytes)
            throw Error("header", 0, $"is cut off: the file has {Bytes.Length} bytes, and the first {LengthBytes} say how long its header is");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(Bytes.Start, LengthBytes));
        if (length > LongestHeader || length > (ulong)(Bytes.Length - LengthBytes))
        {
            throw Error(
                "header length", 0, $"is {length}; the file has {Bytes.Length} bytes and a header at most {LongestHeader}: this is no safetensors file, or it is cut off");
        }

        using var view = new UnmanagedMemoryStream(Bytes.Start + LengthBytes, (long)length);
        try
        {
            using JsonDocument header = JsonDocument.Parse(view, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            ReadTensors(header.RootElement, LengthBytes + (long)length);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Reading a string that is no UTF-16 fails late, when it is asked for.
            throw new ModelFileException("header", LengthBytes, $"is no JSON that can be read: {ModelFileException.Printable(error.Message)}", Bytes.Name, error);
        }
    }

    private void ReadTensors(JsonElement header, long dataStart)
    {
        if (header.ValueKind != JsonValueKind.Object)
            throw Error("header", LengthBytes, "must be a JSON object of tensors");
        var spans = new List<(long Begin, long End, string Name)>();
        foreach (JsonProperty entry in header.EnumerateObject())
        {
            if (entry.NameEquals("__metadata__"))
                continue;
            (SafetensorsTensor tensor, long end) = ReadTensor(entry, dataStart);
            spans.Add((tensor.FileOffset - dataStart, end, entry.Name));
            _tensors.Add(entry.Name, tensor);
        }

        CheckSpans(spans, Bytes.Length - dataStart);
    }

    private (SafetensorsTensor Tensor, long End) ReadTensor(JsonProperty entry, long dataStart)
    {
        string field = $"tensor {ModelFileException.Printable(entry.Name)}";
        if (entry.Value.ValueKind != JsonValueKind.Object)
            throw Error(field, LengthBytes, "must be an object with dtype, shape and data_offsets");
        string? type = entry.Value.TryGetProperty("dtype", out JsonElement said) && said.ValueKind == JsonValueKind.String ? said.GetString() : null;
        if (type is null || !Bits.TryGetValue(type, out int bits))
            throw Error($"{field}: dtype", LengthBytes, $"is {Shown(said)}; known are {string.Join(", ", Bits.Keys)}");
        long[] shape = Numbers(entry.Value, "shape", field), offsets = Numbers(entry.Value, "data_offsets", field);
        if (shape.Length > MostDimensions)
            throw Error($"{field}: shape", LengthBytes, $"has {shape.Length} dimensions; at most {MostDimensions} are supported");
        if (offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > Bytes.Length - dataStart)
        {
            throw Error(
                $"{field}: data_offsets", LengthBytes,
                $"is [{string.Join(", ", offsets.Take(4))}]; it must be a begin and an end within the {Bytes.Length - dataStart} bytes behind the header");
        }

        UInt128 size = (UInt128)bits;
        foreach (long dimension in shape)
            size = size > ulong.MaxValue ? size : size * (UInt128)dimension;
        return size == (UInt128)(offsets[1] - offsets[0]) * 8
            ? (new SafetensorsTensor(this, entry.Name, type, shape, dataStart + offsets[0]), offsets[1])
            : throw Error($"{field}: data_offsets", LengthBytes, $"name {offsets[1] - offsets[0]} bytes, which is not what {type} of shape [{string.Join(", ", shape)}] takes");
    }

    private long[] Numbers(JsonElement entry, string name, string field)
    {
        if (!entry.TryGetProperty(name, out JsonElement list) || list.ValueKind != JsonValueKind.Array)
            throw Error($"{field}: {name}", LengthBytes, $"is {Shown(list)}; it must be a list of whole numbers");
        var numbers = new List<long>();
        foreach (JsonElement number in list.EnumerateArray())
        {
            numbers.Add(number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out long value) && value >= 0
                ? value
                : throw Error($"{field}: {name}", LengthBytes, $"holds {Shown(number)}; it must hold whole numbers that are not negative"));
        }

        return [.. numbers];
    }

    /// <summary>The format asks that tensors neither overlap nor leave gaps: nothing can hide in a file.</summary>
    private void CheckSpans(List<(long Begin, long End, string Name)> spans, long length)
    {
        long at = 0;
        foreach ((long begin, long end, string name) in spans.OrderBy(s => s.Begin).ThenBy(s => s.End))
        {
            if (begin != at)
            {
                string found = string.Create(CultureInfo.InvariantCulture, $"begin at {begin}, but the tensors before end at {at}; tensors lie behind each other without gaps");
                throw Error($"tensor {ModelFileException.Printable(name)}: data_offsets", LengthBytes, found);
            }

            at = end;
        }

        if (at != length)
            throw Error("file", null, $"has {length} bytes behind its header, but its tensors take {at}");
    }

    private static string Shown(JsonElement element) =>
        element.ValueKind == JsonValueKind.Undefined ? "missing" : ModelFileException.Printable(element.GetRawText());

    private ModelFileException Error(string field, long? offset, string problem) => new(field, offset, problem, Bytes.Name);
}
