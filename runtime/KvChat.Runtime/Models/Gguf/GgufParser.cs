using KvChat.Kernels.Quantization;

namespace KvChat.Runtime.Models.Gguf;

/// <summary>Reads and checks everything in one file but the weights themselves.</summary>
internal static class GgufParser
{
    public static GgufPart Parse(ModelBytes bytes)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("GGUF files are read on little-endian machines only.");
        }

        GgufReader reader = new(bytes);
        uint version = ReadVersion(ref reader);
        long countAt = reader.Position;
        int tensorCount = reader.ReadCount("tensor_count", GgufFormat.LeastTensorBytes);
        int entryCount = reader.ReadCount("metadata_count", GgufFormat.LeastEntryBytes);
        GgufMetadata metadata = ReadMetadata(ref reader, entryCount, bytes.Name);
        uint alignment = Alignment(metadata, bytes.Name);

        // The first check counted bytes that turned out to be metadata.
        if ((ulong)tensorCount > reader.Remaining / GgufFormat.LeastTensorBytes)
        {
            reader.Enter("header");
            throw reader.Fail("tensor_count", countAt, $"is {tensorCount}, but after the metadata only {reader.Remaining} bytes follow");
        }

        (List<GgufTensor> tensors, List<GgufUnsupportedTensor> unsupported) = GgufTensorTable.Read(ref reader, bytes, tensorCount, alignment);
        return new GgufPart(bytes, version, metadata, tensors, unsupported);
    }

    private static uint ReadVersion(ref GgufReader reader)
    {
        uint magic = reader.Read<uint>("magic");
        if (magic == GgufFormat.MagicReversed)
        {
            throw reader.Fail("magic", 0, "is 'FUGG': a big-endian file; only little-endian files are supported");
        }

        if (magic != GgufFormat.Magic)
        {
            throw reader.Fail("magic", 0, $"is 0x{magic:x8}; a GGUF file starts with the bytes 'GGUF'");
        }

        uint version = reader.Read<uint>("version");
        if (version != 0 && (version & 0xFFFF) == 0)
        {
            throw reader.Fail("version", 4, $"is 0x{version:x8}: a big-endian file; only little-endian files are supported");
        }

        return version is >= GgufFormat.OldestVersion and <= GgufFormat.NewestVersion
            ? version
            : throw reader.Fail("version", 4, $"is {version}; versions {GgufFormat.OldestVersion} to {GgufFormat.NewestVersion} are supported");
    }

    private static GgufMetadata ReadMetadata(ref GgufReader reader, int count, string file)
    {
        // No capacity from the count: a header that lies about it fails at its first bad entry, having cost nothing.
        Dictionary<string, GgufEntry> entries = new(StringComparer.Ordinal);
        for (int index = 0; index < count; index++)
        {
            reader.Enter("metadata", index);
            long at = reader.Position;
            string key = reader.ReadString("key", GgufFormat.LongestName);
            if (key.Length == 0)
            {
                throw reader.Fail("key", at, "is empty; a key has at least one character");
            }

            reader.Enter(key);
            long valueAt = reader.Position;
            GgufValueType type = ReadType(ref reader);
            object value = ReadValue(ref reader, type, depth: 1);
            if (!entries.TryAdd(key, new GgufEntry(type, value, valueAt)))
            {
                throw reader.Fail("", at, $"is a key for the second time; the first stands at byte {entries[key].Offset}");
            }
        }

        return new GgufMetadata(entries, file);
    }

    private static GgufValueType ReadType(ref GgufReader reader)
    {
        uint type = reader.Read<uint>("type");
        return type <= (uint)GgufValueType.Float64
            ? (GgufValueType)type
            : throw reader.Fail("type", reader.Position - 4, $"is {type}; value types are 0 to {(int)GgufValueType.Float64}");
    }

    private static object ReadValue(ref GgufReader reader, GgufValueType type, int depth) => type switch
    {
        GgufValueType.UInt8 => reader.Read<byte>(""),
        GgufValueType.Int8 => reader.Read<sbyte>(""),
        GgufValueType.UInt16 => reader.Read<ushort>(""),
        GgufValueType.Int16 => reader.Read<short>(""),
        GgufValueType.UInt32 => reader.Read<uint>(""),
        GgufValueType.Int32 => reader.Read<int>(""),
        GgufValueType.Float32 => reader.Read<float>(""),
        GgufValueType.Boolean => reader.ReadBoolean(),
        GgufValueType.String => reader.ReadString("", GgufFormat.LongestString),
        GgufValueType.UInt64 => reader.Read<ulong>(""),
        GgufValueType.Int64 => reader.Read<long>(""),
        GgufValueType.Float64 => reader.Read<double>(""),
        _ => ReadArray(ref reader, depth),
    };

    private static GgufArray ReadArray(ref GgufReader reader, int depth)
    {
        if (depth > GgufFormat.DeepestArray)
        {
            throw reader.Fail("", reader.Position, $"is an array within {depth - 1} arrays; at most {GgufFormat.DeepestArray} stand within each other");
        }

        GgufValueType type = ReadType(ref reader);
        int count = reader.ReadCount("count", GgufFormat.LeastBytes(type));
        Array items = type switch
        {
            GgufValueType.UInt8 => reader.ReadArray<byte>(count),
            GgufValueType.Int8 => reader.ReadArray<sbyte>(count),
            GgufValueType.UInt16 => reader.ReadArray<ushort>(count),
            GgufValueType.Int16 => reader.ReadArray<short>(count),
            GgufValueType.UInt32 => reader.ReadArray<uint>(count),
            GgufValueType.Int32 => reader.ReadArray<int>(count),
            GgufValueType.Float32 => reader.ReadArray<float>(count),
            GgufValueType.UInt64 => reader.ReadArray<ulong>(count),
            GgufValueType.Int64 => reader.ReadArray<long>(count),
            GgufValueType.Float64 => reader.ReadArray<double>(count),
            GgufValueType.Boolean => ReadBooleans(ref reader, count),
            GgufValueType.String => ReadStrings(ref reader, count),
            _ => ReadArrays(ref reader, count, depth + 1),
        };
        return new GgufArray(type, items);
    }

    private static bool[] ReadBooleans(ref GgufReader reader, int count)
    {
        bool[] values = new bool[count];
        for (int index = 0; index < count; index++)
        {
            reader.EnterElement(index);
            values[index] = reader.ReadBoolean();
        }

        return values;
    }

    private static string[] ReadStrings(ref GgufReader reader, int count)
    {
        string[] values = new string[count];
        for (int index = 0; index < count; index++)
        {
            reader.EnterElement(index);
            values[index] = reader.ReadString("", GgufFormat.LongestString);
        }

        return values;
    }

    private static GgufArray[] ReadArrays(ref GgufReader reader, int count, int depth)
    {
        GgufArray[] values = new GgufArray[count];
        for (int index = 0; index < count; index++)
        {
            reader.EnterElement(index);
            values[index] = ReadArray(ref reader, depth);
        }

        return values;
    }

    private static uint Alignment(GgufMetadata metadata, string file)
    {
        if (!metadata.TryGetUInt32(GgufFormat.AlignmentKey, out uint alignment))
        {
            return GgufFormat.DefaultAlignment;
        }

        return uint.IsPow2(alignment) && alignment >= GgufFormat.LeastAlignment
            ? alignment
            : throw new ModelFileException(
                GgufFormat.AlignmentKey, metadata.OffsetOf(GgufFormat.AlignmentKey), $"is {alignment}; it must be a power of two of at least {GgufFormat.LeastAlignment}", file);
    }
}
