namespace KvChat.Kernels;

/// <summary>How the numbers of a page are stored.</summary>
/// <remarks>
/// K8V4 stands for keys of 8 and values of 4 bits. Codes are made per token and head: keys and values each have a scale and a zero point in half
/// precision (LeanKV, arXiv 2412.03131). All pages have the same bytes, so that fewer bits mean more KVs in a page.
/// </remarks>
public enum KvFormat
{
    /// <summary>Half precision, 2 bytes a number.</summary>
    F16,

    /// <summary>Single precision, 4 bytes a number; a page holds half as many KVs.</summary>
    F32,

    /// <summary>The upper half of a single: the range of fp32 with 8 bits of mantissa.</summary>
    BF16,

    /// <summary>Keys and values of 8 bits.</summary>
    K8V8,

    /// <summary>Keys of 8 bits, values of 4: keys need more, because their errors go through an exponential.</summary>
    K8V4,

    /// <summary>Keys and values of 4 bits.</summary>
    K4V4,

    /// <summary>Keys of 4 bits, values of 2: for KVs that matter little.</summary>
    K4V2,
}

/// <summary>Facts about formats.</summary>
public static class KvFormats
{
    private const int ScaleBytes = 4 * sizeof(ushort);

    /// <summary>Names of all formats, as settings spell them.</summary>
    public static string Names { get; } = string.Join(", ", Enum.GetNames<KvFormat>());

    /// <summary>Whether keys and values are codes with a scale.</summary>
    public static bool IsQuantized(this KvFormat format) => format is KvFormat.K8V8 or KvFormat.K8V4 or KvFormat.K4V4 or KvFormat.K4V2;

    /// <summary>Bits of a number of a key.</summary>
    public static int KeyBits(this KvFormat format) => format switch
    {
        KvFormat.F32 => 32,
        KvFormat.K8V8 or KvFormat.K8V4 => 8,
        KvFormat.K4V4 or KvFormat.K4V2 => 4,
        _ => 16,
    };

    /// <summary>Bits of a number of a value.</summary>
    public static int ValueBits(this KvFormat format) => format switch
    {
        KvFormat.F32 => 32,
        KvFormat.K8V8 => 8,
        KvFormat.K8V4 or KvFormat.K4V4 => 4,
        KvFormat.K4V2 => 2,
        _ => 16,
    };

    /// <summary>Bytes of positions, scores and log-weights of one KV.</summary>
    public static int MetadataBytes(this KvArenaShape shape) => shape.LogWeights ? 12 : 8;

    /// <summary>Bytes of a page with its metadata, the same for all formats.</summary>
    public static int PageImageBytes(this KvArenaShape shape) => shape.PageTokens * ((shape.HeadDim * 2 * sizeof(ushort)) + shape.MetadataBytes());

    /// <summary>Bytes that one KV takes, its scales and metadata included.</summary>
    public static int BytesPerKv(this KvArenaShape shape, KvFormat format) =>
        (shape.HeadDim * (format.KeyBits() + format.ValueBits()) / 8) + (format.IsQuantized() ? ScaleBytes : 0) + shape.MetadataBytes();

    /// <summary>KVs that a page holds: as many as its bytes have room for.</summary>
    public static int PageTokens(this KvArenaShape shape, KvFormat format) => format switch
    {
        KvFormat.F16 or KvFormat.BF16 => shape.PageTokens,
        KvFormat.F32 => shape.PageTokens / 2,
        _ => shape.PageImageBytes() / shape.BytesPerKv(format),
    };

    /// <summary>Whether a format's keys, or values, are turned in an arena of this shape: where they have at most 4 bits.</summary>
    internal static bool Rotates(this KvArenaShape shape, KvFormat format, bool values) =>
        shape.Rotate && (values ? format.ValueBits() : format.KeyBits()) <= 4;
}
