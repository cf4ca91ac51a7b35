using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>The pages of an arena, one behind the other, each laid out by its format's <see cref="PageLayout"/>.</summary>
internal readonly unsafe struct PageView(byte* data, PageLayout* layouts, in KvArenaShape shape)
{
    /// <summary>Numbers in a key.</summary>
    public int HeadDim { get; } = shape.HeadDim;

    /// <summary>Slots in a page in F16.</summary>
    public int PageTokens { get; } = shape.PageTokens;

    /// <summary>Whether pages have log-weights.</summary>
    public bool HasLogWeights { get; } = shape.LogWeights;

    /// <summary>Bytes of a page.</summary>
    public int PageBytes { get; } = shape.PageImageBytes();

    /// <summary>Layout of a format.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PageLayout* Layout(KvFormat format) => layouts + (int)format;

    /// <summary>First byte of a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Page(int page) => data + ((long)page * PageBytes);

    /// <summary>Index of a coordinate of a key in formats of two bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int HalfKeyIndex(int slot, int dim) => (2 * (((dim >> 1) * PageTokens) + slot)) + (dim & 1);

    /// <summary>Position of a head's KV.</summary>
    public int PositionOf(in HeadView head, PageLayout* layout, int kv) =>
        ((int*)(Page(head.Page(kv / layout->Slots)) + layout->Positions))[kv % layout->Slots];

    /// <summary>First of the KVs 0..count-1 of an end whose position is greater than <paramref name="limit"/>; positions ascend.</summary>
    public int FirstAfter(in HeadView head, PageLayout* layout, int count, int limit)
    {
        int low = 0, high = count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (PositionOf(head, layout, middle) > limit)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }
}
