using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Where things are in a page. Keys: F16 as <c>[headDim / 2][tokens][2]</c>, so that one load holds two coordinates of 16 tokens; F32 as
/// <c>[headDim][tokens]</c>. Values in the second half of the page, <c>[tokens][headDim]</c>. Metadata lies apart: positions, scores and
/// perhaps log-weights, each <c>[tokens]</c>.
/// </summary>
internal readonly unsafe struct PageView(byte* data, byte* metadata, in KvArenaShape shape)
{
    /// <summary>Numbers in a key.</summary>
    public int HeadDim { get; } = shape.HeadDim;

    /// <summary>Slots in a page in F16.</summary>
    public int PageTokens { get; } = shape.PageTokens;

    /// <summary>Whether pages have log-weights.</summary>
    public bool HasLogWeights { get; } = shape.LogWeights;

    /// <summary>Bytes of keys, and of values.</summary>
    public int HalfPageBytes => PageTokens * HeadDim * sizeof(ushort);

    /// <summary>Bytes of metadata.</summary>
    public int MetadataBytes => MetadataSize(PageTokens, HasLogWeights);

    /// <summary>Bytes of metadata of a page.</summary>
    public static int MetadataSize(int pageTokens, bool logWeights) => pageTokens * (logWeights ? 12 : 8);

    /// <summary>Slots in a page of a format.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Slots(KvFormat format) => format == KvFormat.F32 ? PageTokens / 2 : PageTokens;

    /// <summary>Keys of a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Keys(int page) => data + ((long)page * 2 * HalfPageBytes);

    /// <summary>Values of a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Values(int page) => Keys(page) + HalfPageBytes;

    /// <summary>Metadata of a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Metadata(int page) => metadata + ((long)page * MetadataBytes);

    /// <summary>Positions of a page's slots.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* Positions(int page) => (int*)Metadata(page);

    /// <summary>Scores of a page's slots.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Scores(int page) => (float*)Metadata(page) + PageTokens;

    /// <summary>Log-weights of a page's slots; only where the arena has them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* LogWeights(int page) => (float*)Metadata(page) + (2 * PageTokens);

    /// <summary>Index of a coordinate of a key in F16, in halves from <see cref="Keys"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int HalfKeyIndex(int slot, int dim) => (2 * (((dim >> 1) * PageTokens) + slot)) + (dim & 1);

    /// <summary>Position of a head's KV.</summary>
    public int PositionOf(in HeadView head, int slots, int kv) => Positions(head.Pages[kv / slots])[kv % slots];

    /// <summary>First of the KVs 0..count-1 whose position is greater than <paramref name="limit"/>; positions ascend.</summary>
    public int FirstAfter(in HeadView head, int slots, int count, int limit)
    {
        int low = 0, high = count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (PositionOf(head, slots, middle) > limit)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }
}
