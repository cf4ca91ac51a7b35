using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Where things are in a page of one format, in bytes from its start. Numbers: keys as <c>[headDim / 2][slots][2]</c> (F32: <c>[headDim][slots]</c>),
/// values as <c>[slots][headDim]</c>, then positions, scores and perhaps log-weights, each <c>[slots]</c>.
/// </summary>
/// <remarks>
/// Codes: positions, scores, log-weights and four arrays of halves (scale and zero of keys, scale and zero of values) come first, then keys and
/// values. Keys of 8 bits lie as <c>[headDim][slots]</c>, of 4 bits as <c>[headDim / 2][slots]</c>, coordinate 2i in the lower half of a byte. Values
/// lie token by token; of 4 bits, byte i of a block of 32 coordinates holds those at i and 16 + i, of 2 bits, byte i of a block of 64 those at
/// i, 16 + i, 32 + i and 48 + i. The block that is left over is divided likewise by 2 or 4.
/// </remarks>
internal readonly struct PageLayout
{
    /// <summary>The layout of a format.</summary>
    public PageLayout(KvFormat format, in KvArenaShape shape)
    {
        Format = format;
        HeadDim = shape.HeadDim;
        Slots = shape.PageTokens(format);
        HasScales = format.IsQuantized();
        RotatesKeys = HasScales && shape.Rotates(format, values: false);
        RotatesValues = HasScales && shape.Rotates(format, values: true);
        KeyBytes = shape.HeadDim * format.KeyBits() / 8;
        ValueBytes = shape.HeadDim * format.ValueBits() / 8;
        int metadata = HasScales ? 0 : Slots * (KeyBytes + ValueBytes);
        int columns = HasScales ? Slots : shape.PageTokens;
        Positions = metadata;
        Scores = metadata + (columns * sizeof(int));
        LogWeights = Scores + (columns * sizeof(float));
        Scales = metadata + (columns * shape.MetadataBytes());
        Keys = HasScales ? Scales + (4 * Slots * sizeof(ushort)) : 0;
        Values = Keys + (Slots * KeyBytes);
        SegmentPages = Math.Max(1, AttentionSizes.Segment / Math.Max(1, Slots));
        SegmentKvs = SegmentPages * Slots;
    }

    /// <summary>The format.</summary>
    public KvFormat Format { get; }

    /// <summary>Numbers in a key.</summary>
    public int HeadDim { get; }

    /// <summary>KVs of a page.</summary>
    public int Slots { get; }

    /// <summary>Pages of a segment: as many whole ones as 256 KVs have room for.</summary>
    public int SegmentPages { get; }

    /// <summary>KVs of a segment.</summary>
    public int SegmentKvs { get; }

    /// <summary>Whether numbers are codes.</summary>
    public bool HasScales { get; }

    /// <summary>Whether keys are rotated and their codes stand for levels of a normal distribution.</summary>
    public bool RotatesKeys { get; }

    /// <summary>Whether values are rotated.</summary>
    public bool RotatesValues { get; }

    /// <summary>Bytes of a key.</summary>
    public int KeyBytes { get; }

    /// <summary>Bytes of a value.</summary>
    public int ValueBytes { get; }

    /// <summary>Keys.</summary>
    public int Keys { get; }

    /// <summary>Values.</summary>
    public int Values { get; }

    /// <summary>Scales and zeros of keys, then of values, four arrays of halves.</summary>
    public int Scales { get; }

    /// <summary>Positions, int32.</summary>
    public int Positions { get; }

    /// <summary>Scores, fp32.</summary>
    public int Scores { get; }

    /// <summary>Log-weights, fp32; only where the arena has them.</summary>
    public int LogWeights { get; }

    /// <summary>Whether halves are widened by shifts, which leaves a factor.</summary>
    public bool IsHalf => Format == KvFormat.F16;

    /// <summary>Segments of that many KVs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Segments(int kvs) => (kvs + SegmentKvs - 1) / SegmentKvs;

    /// <summary>Byte and shift of a coordinate of a value of 4 or 2 bits.</summary>
    public static void Locate(int dim, int headDim, int bits, out int offset, out int shift)
    {
        int parts = 8 / bits, whole = 16 * parts, block = dim / whole * whole;
        int width = Math.Min(whole, headDim - block) / parts, inside = dim - block;
        offset = (block / parts) + (inside % width);
        shift = inside / width * bits;
    }
}
