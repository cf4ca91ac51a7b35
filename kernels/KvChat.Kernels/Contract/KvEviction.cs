using System.Runtime.InteropServices;

namespace KvChat.Kernels;

/// <summary>A score that the KVs of a stretch of positions get in place of their own.</summary>
/// <param name="Start">First position.</param>
/// <param name="End">Position behind the last.</param>
/// <param name="Score">+infinity for what must stay, -infinity for what goes first.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct KvMark(int Start, int End, float Score);

/// <summary>
/// How recorded scores become those that are compared: +infinity becomes the largest number, the number of queries that saw a KV divides its score, marks replace it one after another, and the first and
/// the newest KVs of a head get +infinity.
/// </summary>
public readonly ref struct KvScoring
{
    /// <summary>All heads of the sequence, layer after layer; none has a right end.</summary>
    public required ReadOnlySpan<HeadView> Heads { get; init; }

    /// <summary>Format of their pages.</summary>
    public required KvFormat Format { get; init; }

    /// <summary>Whether scores are divided by the number of queries, at least 1, at the KV's position or behind it: those of the window and those that added to it.</summary>
    public bool Divides { get; init; }

    /// <summary>Position of the window's first query.</summary>
    public int WindowStart { get; init; }

    /// <summary>Position behind its last one.</summary>
    public int WindowEnd { get; init; }

    /// <summary>Position of the first query that was added.</summary>
    public int AddedStart { get; init; }

    /// <summary>Position behind the last one.</summary>
    public int AddedEnd { get; init; }

    /// <summary>Marks, in the order in which they are made.</summary>
    public ReadOnlySpan<KvMark> Marks { get; init; }

    /// <summary>KVs at the start of each head that stay.</summary>
    public int Sinks { get; init; }

    /// <summary>KVs at the end of each head that stay.</summary>
    public int Newest { get; init; }
}

/// <summary>
/// Eviction where the pages are, so that neither scores nor moves come to the host: whole pages are freed where they cost least over all heads of a sequence (KV-Compress, arXiv 2410.00161).
/// What stays is what the host's own code would keep, KV for KV.
/// </summary>
public interface IKvEvictor
{
    /// <summary>Makes the scores that are compared, and keeps them for <see cref="Evict"/>.</summary>
    /// <param name="scoring">Heads and marks.</param>
    /// <param name="pinned">Receives each head's number of KVs whose score is +infinity.</param>
    /// <exception cref="ArgumentException">There are not as many heads.</exception>
    void Score(in KvScoring scoring, Span<int> pinned);

    /// <summary>
    /// Chooses among what was scored and moves what stays to the front of each head's pages, in order. The pages behind it are the caller's to free. A head loses its KVs in ascending order of
    /// (score, index); a page costs the largest score that goes with it; of equal costs the first head's go first.
    /// </summary>
    /// <param name="scoring">Heads as they were scored; the pages must be theirs alone.</param>
    /// <param name="freeable">Pages that each head may lose.</param>
    /// <param name="pagesToFree">Pages that shall become free; fewer where heads may not lose so many.</param>
    /// <param name="kept">Receives each head's number of KVs afterwards.</param>
    /// <exception cref="InvalidOperationException">Other heads were scored, or none.</exception>
    void Evict(in KvScoring scoring, ReadOnlySpan<int> freeable, int pagesToFree, Span<int> kept);
}
