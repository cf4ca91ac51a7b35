namespace KvChat.Kernels;

/// <summary>Shape of the pool of pages.</summary>
/// <param name="HeadDim">Numbers in a key, and in a value.</param>
/// <param name="PageTokens">KVs of a page in F16: 16 or 32. All pages have the bytes of that.</param>
/// <param name="PageCount">Number of pages.</param>
/// <param name="LogWeights">Whether pages carry a log-weight (fp32) per KV; without, every log-weight is 0.</param>
/// <param name="Rotate">
/// Whether keys and values of at most 4 bits are turned by a fixed random rotation before they become codes, keys then with the levels of a normal
/// distribution (TurboQuant, arXiv 2504.19874). Nothing that is read back shows it.
/// </param>
public readonly record struct KvArenaShape(int HeadDim, int PageTokens, int PageCount, bool LogWeights = false, bool Rotate = true);

/// <summary>Place of one KV.</summary>
public readonly record struct KvSlot(int Page, int Slot);

/// <summary>The ordered pages of one (sequence, layer, KV head), for kernels to read: a borrowed view on native memory.</summary>
/// <remarks>
/// A table has two ends. The left one holds the pages of the sequence's format, where new KVs are appended; the right one may hold pages of a
/// format with fewer bits, listed from the table's last entry backwards. Positions ascend within each end.
/// </remarks>
/// <param name="pages">Page ids of the left end, enough for <paramref name="length"/> KVs and for those that the step appends.</param>
/// <param name="length">KVs in the left end before the step appends its own.</param>
/// <param name="lowPages">First page of the right end; the next one is at the address before it.</param>
/// <param name="lowLength">KVs in the right end.</param>
public readonly unsafe struct HeadView(int* pages, int length, int* lowPages = null, int lowLength = 0)
{
    /// <summary>Page ids in order; KV i is slot <c>i % pageTokens</c> of page <c>Pages[i / pageTokens * Stride]</c>.</summary>
    public int* Pages { get; } = pages;

    /// <summary>KVs in the left end.</summary>
    public int Length { get; } = length;

    /// <summary>Page ids of the right end: page i is at <c>LowPages[-i]</c>.</summary>
    public int* LowPages { get; } = lowPages;

    /// <summary>KVs in the right end.</summary>
    public int LowLength { get; } = lowLength;

    /// <summary>1, or -1 in a view on a right end alone.</summary>
    public int Stride { get; private init; } = 1;

    /// <summary>The right end as a view of its own, to be read in its own format.</summary>
    public HeadView LowEnd => new(LowPages, LowLength) { Stride = -1 };

    /// <summary>Id of the i-th page.</summary>
    public int Page(int index) => Pages[index * Stride];
}

/// <summary>One KV that compaction moves, with its position, score and log-weight.</summary>
public readonly record struct KvMove(int SourcePage, int SourceSlot, int TargetPage, int TargetSlot);

/// <summary>
/// The memory of all pages: keys, values, and per KV a position (int32), a score (fp32) and perhaps a log-weight (fp32). Which page
/// belongs to whom is not known here. Within each end of a head, KVs stand in ascending order of position; compaction keeps that order.
/// </summary>
public abstract class KvArena(KvArenaShape shape) : IDisposable
{
    /// <summary>Shape that the arena was made with.</summary>
    public KvArenaShape Shape { get; } = shape;

    /// <summary>Bytes of keys and values in a page of halves.</summary>
    public int PageBytes => Shape.PageTokens * Shape.HeadDim * 2 * sizeof(ushort);

    /// <summary>Bytes of positions, scores and log-weights in a page of halves.</summary>
    public int PageMetadataBytes => Shape.PageTokens * Shape.MetadataBytes();

    /// <summary>Bytes of a page with all that belongs to it, the same for every format; also of its image for <see cref="ReadPages"/> and <see cref="WritePages"/>.</summary>
    public int PageImageBytes => Shape.PageImageBytes();

    /// <summary>KVs that a page holds in a format.</summary>
    public int PageTokens(KvFormat format) => Shape.PageTokens(format);

    /// <summary>Whether this back end stores and reads a format.</summary>
    public virtual bool Supports(KvFormat format) => Enum.IsDefined(format);

    /// <summary>Moves KVs one after another, in the given order.</summary>
    public abstract void Move(KvFormat format, ReadOnlySpan<KvMove> moves);

    /// <summary>
    /// Takes copies of KVs out of their pages, behind those that were staged before and not stored yet. Their pages may then be given back: what is
    /// staged needs none, so that a sequence can change formats where no page is free.
    /// </summary>
    public abstract void Stage(KvFormat format, ReadOnlySpan<KvSlot> sources);

    /// <summary>Stores all that is staged, in its order, in another format; position, score and log-weight go along. Nothing is staged afterwards.</summary>
    /// <exception cref="ArgumentException">There are more or fewer targets than staged KVs.</exception>
    public abstract void Unstage(KvFormat format, ReadOnlySpan<KvSlot> targets);

    /// <summary>Eviction where the pages are, or null where the host does it: scores are read, chosen among and moved by the runtime then.</summary>
    public virtual IKvEvictor? Evictor => null;

    /// <summary>Copies a whole page with its metadata.</summary>
    public abstract void CopyPage(int source, int target);

    /// <summary>Copies the images of pages to host memory, one behind the other, <c>[pages, <see cref="PageImageBytes"/>]</c>.</summary>
    public abstract void ReadPages(ReadOnlySpan<int> pages, Span<byte> images);

    /// <summary>Copies the images of pages from host memory, <c>[pages, <see cref="PageImageBytes"/>]</c>; no page is named twice.</summary>
    public abstract void WritePages(ReadOnlySpan<int> pages, ReadOnlySpan<byte> images);

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

    /// <summary>Refuses what is no page of the arena.</summary>
    private protected void CheckPage(int page)
    {
        if ((uint)page >= (uint)Shape.PageCount)
            throw new ArgumentOutOfRangeException(nameof(page), page, $"The arena has {Shape.PageCount} pages.");
    }

    /// <summary>Refuses what is no slot of a page.</summary>
    private protected void CheckSlot(int page, int slot, int slots)
    {
        CheckPage(page);
        if ((uint)slot >= (uint)slots)
            throw new ArgumentOutOfRangeException(nameof(slot), slot, $"A page of this format has {slots} slots.");
    }
}
