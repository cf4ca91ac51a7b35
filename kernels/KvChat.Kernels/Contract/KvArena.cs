namespace KvChat.Kernels;

/// <summary>Shape of the pool of pages.</summary>
/// <param name="HeadDim">Numbers in a key, and in a value.</param>
/// <param name="PageTokens">KVs of a page in F16: 16 or 32. All pages have the bytes of that.</param>
/// <param name="PageCount">Number of pages.</param>
/// <param name="LogWeights">Whether pages carry a log-weight (fp32) per KV; without, every log-weight is 0.</param>
public readonly record struct KvArenaShape(int HeadDim, int PageTokens, int PageCount, bool LogWeights = false);

/// <summary>The ordered pages of one (sequence, layer, KV head), for kernels to read: a borrowed view on native memory.</summary>
/// <param name="pages">Page ids, enough for <paramref name="length"/> KVs and for those that the step appends.</param>
/// <param name="length">KVs in the head before the step appends its own.</param>
public readonly unsafe struct HeadView(int* pages, int length)
{
    /// <summary>Page ids in order; KV i is slot <c>i % pageTokens</c> of page <c>Pages[i / pageTokens]</c>.</summary>
    public int* Pages { get; } = pages;

    /// <summary>KVs in the head.</summary>
    public int Length { get; } = length;
}

/// <summary>One KV that compaction moves, with its position, score and log-weight.</summary>
public readonly record struct KvMove(int SourcePage, int SourceSlot, int TargetPage, int TargetSlot);

/// <summary>
/// The memory of all pages: keys, values, and per KV a position (int32), a score (fp32) and perhaps a log-weight (fp32). Which page
/// belongs to whom is not known here. Within a head, KVs stand in ascending order of position; compaction keeps that order.
/// </summary>
public abstract class KvArena(KvArenaShape shape) : IDisposable
{
    /// <summary>Shape that the arena was made with.</summary>
    public KvArenaShape Shape { get; } = shape;

    /// <summary>Bytes of keys and values in a page: the same for every format.</summary>
    public int PageBytes => Shape.PageTokens * Shape.HeadDim * 2 * sizeof(ushort);

    /// <summary>Bytes of positions, scores and log-weights in a page.</summary>
    public abstract int PageMetadataBytes { get; }

    /// <summary>Bytes of a page's image for <see cref="ReadPage"/> and <see cref="WritePage"/>.</summary>
    public int PageImageBytes => PageBytes + PageMetadataBytes;

    /// <summary>KVs that a page holds in a format.</summary>
    public int PageTokens(KvFormat format) => format == KvFormat.F32 ? Shape.PageTokens / 2 : Shape.PageTokens;

    /// <summary>Moves KVs one after another, in the given order.</summary>
    public abstract void Move(KvFormat format, ReadOnlySpan<KvMove> moves);

    /// <summary>Copies a whole page with its metadata.</summary>
    public abstract void CopyPage(int source, int target);

    /// <summary>Copies a page's image to host memory, <see cref="PageImageBytes"/> long.</summary>
    public abstract void ReadPage(int page, Span<byte> image);

    /// <summary>Copies a page's image from host memory.</summary>
    public abstract void WritePage(int page, ReadOnlySpan<byte> image);

    /// <summary>Reads the positions of a head's KVs, <c>[head.Length]</c>.</summary>
    public abstract void ReadPositions(HeadView head, KvFormat format, Span<int> positions);

    /// <summary>Reads the scores of a head's KVs, <c>[head.Length]</c>.</summary>
    public abstract void ReadScores(HeadView head, KvFormat format, Span<float> scores);

    /// <summary>Writes the scores of a head's KVs, <c>[head.Length]</c>.</summary>
    public abstract void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores);

    /// <summary>Writes the log-weights of a head's KVs, <c>[head.Length]</c>.</summary>
    /// <exception cref="InvalidOperationException">The arena was made without log-weights.</exception>
    public abstract void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights);

    /// <summary>Reads the keys of a head as fp32, <c>[head.Length, headDim]</c>: after rotation, in halves order.</summary>
    public abstract void ReadKeys(HeadView head, KvFormat format, Span<float> keys);

    /// <summary>Reads the values of a head as fp32, <c>[head.Length, headDim]</c>.</summary>
    public abstract void ReadValues(HeadView head, KvFormat format, Span<float> values);

    /// <inheritdoc/>
    public abstract void Dispose();
}
