namespace KvChat.Runtime.Models.Gguf;

/// <summary>Constants of the GGUF format, from the specification in ggml's documentation, and the limits that we set on top.</summary>
internal static class GgufFormat
{
    /// <summary>The bytes 'G', 'G', 'U', 'F' as a little-endian number.</summary>
    public const uint Magic = 0x46554747;

    /// <summary>The magic in a file whose writer turned it around.</summary>
    public const uint MagicReversed = 0x47475546;

    /// <summary>The first version with 64-bit counts; 3 only added big-endian files.</summary>
    public const uint OldestVersion = 2;

    public const uint NewestVersion = 3;

    public const string AlignmentKey = "general.alignment";

    public const uint DefaultAlignment = 32;

    /// <summary>The specification asks for a multiple of 8, ggml for a power of two.</summary>
    public const uint LeastAlignment = 8;

    public const int MostDimensions = 4;

    /// <summary>Bytes of a key or tensor name, as the specification limits keys.</summary>
    public const int LongestName = 65535;

    /// <summary>Bytes of a string value: far above any chat template, far below what .NET cannot hold.</summary>
    public const int LongestString = 1 << 28;

    /// <summary>How deep arrays may stand within arrays. Known files have no nested ones at all.</summary>
    public const int DeepestArray = 4;

    /// <summary>Key length, one character, type, one byte of value.</summary>
    public const int LeastEntryBytes = 8 + 1 + 4 + 1;

    /// <summary>Name length, one character, dimension count, one dimension, type, offset.</summary>
    public const int LeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

    public const string SplitNumberKey = "split.no";

    public const string SplitCountKey = "split.count";

    public const string SplitTensorsKey = "split.tensors.count";

    /// <summary>Bytes that a value of a type takes at least.</summary>
    public static int LeastBytes(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Boolean => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.Array => 4 + 8,
        _ => 8,
    };
}
