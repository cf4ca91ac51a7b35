using System.Globalization;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Models.Gguf;

namespace KvChat.TestSupport;

/// <summary>Writes GGUF files for tests: small models, odd ones, and damaged ones by way of <see cref="GgufImage"/>. It checks nothing that a test may want wrong.</summary>
public sealed class GgufWriter
{
    private readonly List<(string Key, object Value)> _metadata = [];
    private readonly List<(string Name, uint Type, byte[] Data, long[] Dimensions)> _tensors = [];

    /// <summary>The version number in the header.</summary>
    public uint Version { get; init; } = 3;

    /// <summary>Tensor data starts at multiples of this; written as <c>general.alignment</c> where it is not 32.</summary>
    public uint Alignment { get; init; } = 32;

    /// <summary>
    /// Adds a key with a boxed integer of any width, float, double, bool or string, an array of one of these, or an <c>object[]</c> of arrays.
    /// </summary>
    public GgufWriter Add(string key, object value)
    {
        _metadata.Add((key, value));
        return this;
    }

    /// <summary>Adds a tensor from bytes as they stand in the file. Dimensions in the file's order: columns first.</summary>
    public GgufWriter AddTensor(string name, WeightFormat format, byte[] data, params long[] dimensions) => AddTensor(name, (uint)format, data, dimensions);

    /// <summary>Adds a tensor of any ggml type number.</summary>
    public GgufWriter AddTensor(string name, uint ggmlType, byte[] data, params long[] dimensions)
    {
        _tensors.Add((name, ggmlType, data, dimensions));
        return this;
    }

    /// <summary>Adds a tensor from floats, stored as F32, F16, BF16 or Q8_0. Dimensions in the file's order: columns first.</summary>
    public GgufWriter AddTensor(string name, WeightFormat format, float[] values, params long[] dimensions) =>
        AddTensor(name, format, WeightEncoder.Encode(format, values), dimensions);

    /// <summary>The file in memory.</summary>
    public byte[] ToArray() => Build().ToArray();

    /// <summary>Writes the file.</summary>
    public void Save(string path) => File.WriteAllBytes(path, ToArray());

    /// <summary>The file with the places of its numbers.</summary>
    public GgufImage Build() => Build(_metadata, _tensors);

    /// <summary>The model split into files of so many tensors, with the keys that split files have; the metadata is in the first.</summary>
    public IReadOnlyList<GgufImage> BuildParts(int tensorsPerPart)
    {
        var chunks = _tensors.Chunk(tensorsPerPart).ToArray();
        List<GgufImage> parts = [];
        for (int number = 0; number < chunks.Length; number++)
        {
            List<(string Key, object Value)> metadata = number == 0 ? [.. _metadata] : [];
            metadata.Add(("split.no", (ushort)number));
            metadata.Add(("split.count", (ushort)chunks.Length));
            metadata.Add(("split.tensors.count", _tensors.Count));
            parts.Add(Build(metadata, chunks[number]));
        }

        return parts;
    }

    /// <summary>Writes the model split into files and returns their paths.</summary>
    public IReadOnlyList<string> SaveParts(string folder, string prefix, int tensorsPerPart)
    {
        IReadOnlyList<GgufImage> parts = BuildParts(tensorsPerPart);
        List<string> paths = [];
        for (int number = 0; number < parts.Count; number++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{prefix}-{number + 1:d5}-of-{parts.Count:d5}.gguf");
            paths.Add(Path.Combine(folder, name));
            File.WriteAllBytes(paths[^1], parts[number].ToArray());
        }

        return paths;
    }

    private GgufImage Build(IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<(string Name, uint Type, byte[] Data, long[] Dimensions)> tensors)
    {
        if (Alignment != 32)
        {
            metadata = [.. metadata, ("general.alignment", Alignment)];
        }

        GgufImage image = new();
        image.Field32("header.magic", 0x46554747);
        image.Field32("header.version", Version);
        image.Field64("header.tensor_count", (ulong)tensors.Count);
        image.Field64("header.metadata_count", (ulong)metadata.Count);
        foreach ((string key, object value) in metadata)
        {
            image.Text($"{key}.key", key);
            GgufValueType type = TypeOf(value.GetType());
            image.Field32($"{key}.type", (uint)type);
            WriteValue(image, key, type, value);
        }

        WriteTensors(image, tensors);
        return image;
    }

    private void WriteTensors(GgufImage image, IReadOnlyList<(string Name, uint Type, byte[] Data, long[] Dimensions)> tensors)
    {
        ulong offset = 0;
        foreach ((string name, uint type, byte[] data, long[] dimensions) in tensors)
        {
            image.Text($"{name}.name", name);
            image.Field32($"{name}.n_dimensions", (uint)dimensions.Length);
            for (int index = 0; index < dimensions.Length; index++)
            {
                image.Field64($"{name}.dimensions[{index}]", (ulong)dimensions[index]);
            }

            image.Field32($"{name}.type", type);
            image.Field64($"{name}.offset", offset);
            offset = (offset + (ulong)data.Length + Alignment - 1) / Alignment * Alignment;
        }

        foreach ((_, _, byte[] data, _) in tensors)
        {
            image.PadTo(Alignment);
            image.Bytes(data);
        }
    }

    private static void WriteValue(GgufImage image, string name, GgufValueType type, object value)
    {
        switch (type)
        {
            case GgufValueType.String:
                image.Text(name, (string)value);
                break;
            case GgufValueType.Array:
                WriteArray(image, name, (Array)value);
                break;
            case GgufValueType.UInt32 or GgufValueType.UInt64:
                ulong number = Convert.ToUInt64(value, CultureInfo.InvariantCulture);
                if (type == GgufValueType.UInt32)
                {
                    image.Field32($"{name}.value", (uint)number);
                }
                else
                {
                    image.Field64($"{name}.value", number);
                }

                break;
            default:
                image.Bytes(Plain(value));
                break;
        }
    }

    private static void WriteArray(GgufImage image, string name, Array values)
    {
        Type element = values.GetType().GetElementType()!;
        GgufValueType type = element == typeof(object) ? GgufValueType.Array : TypeOf(element);
        image.Field32($"{name}.element_type", (uint)type);
        image.Field64($"{name}.count", (ulong)values.Length);
        for (int index = 0; index < values.Length; index++)
        {
            WriteValue(image, $"{name}[{index}]", type, values.GetValue(index)!);
        }
    }

    private static byte[] Plain(object value) => value switch
    {
        byte v => [v],
        sbyte v => [(byte)v],
        ushort v => BitConverter.GetBytes(v),
        short v => BitConverter.GetBytes(v),
        int v => BitConverter.GetBytes(v),
        long v => BitConverter.GetBytes(v),
        float v => BitConverter.GetBytes(v),
        double v => BitConverter.GetBytes(v),
        bool v => [v ? (byte)1 : (byte)0],
        _ => throw new ArgumentException($"GGUF has no type for {value.GetType()}.", nameof(value)),
    };

    private static GgufValueType TypeOf(Type type) => type switch
    {
        _ when type.IsArray => GgufValueType.Array,
        _ when type == typeof(byte) => GgufValueType.UInt8,
        _ when type == typeof(sbyte) => GgufValueType.Int8,
        _ when type == typeof(ushort) => GgufValueType.UInt16,
        _ when type == typeof(short) => GgufValueType.Int16,
        _ when type == typeof(uint) => GgufValueType.UInt32,
        _ when type == typeof(int) => GgufValueType.Int32,
        _ when type == typeof(float) => GgufValueType.Float32,
        _ when type == typeof(bool) => GgufValueType.Boolean,
        _ when type == typeof(string) => GgufValueType.String,
        _ when type == typeof(ulong) => GgufValueType.UInt64,
        _ when type == typeof(long) => GgufValueType.Int64,
        _ when type == typeof(double) => GgufValueType.Float64,
        _ => throw new ArgumentException($"GGUF has no type for {type}.", nameof(type)),
    };
}
