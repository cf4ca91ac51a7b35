namespace KvChat.Runtime.Compression;

/// <summary>
/// Whose attention is in a sequence's scores: the queries of an observation window, then those of decoding rows that followed.
/// A window replaces all scores, decoding rows add to them.
/// </summary>
/// <param name="WindowStart">Position of the window's first query.</param>
/// <param name="WindowEnd">Position behind its last query.</param>
/// <param name="AddedStart">Position of the first decoding query.</param>
/// <param name="AddedEnd">Position behind the last one.</param>
public readonly record struct ScoreHistory(int WindowStart, int WindowEnd, int AddedStart, int AddedEnd)
{
    /// <summary>
    /// Whether KVs differ in the number of queries that could have seen them by more than the window's own: then scores are divided by it. With a
    /// window alone they are compared as they are, as KV-Compress does; the window's own KVs are protected.
    /// </summary>
    public bool HasAdded => AddedEnd > AddedStart;

    /// <summary>Position of the first recorded query: KVs at it and before it were seen by all.</summary>
    public int FirstQuery => WindowEnd > WindowStart ? WindowStart : AddedStart;

    /// <summary>The history when a window has replaced all scores.</summary>
    public static ScoreHistory OfWindow(int start, int end)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, start);
        return new(start, end, end, end);
    }

    /// <summary>The history when further queries have added to the scores.</summary>
    /// <param name="start">Position of the first of them: right behind those added before.</param>
    /// <param name="end">Position behind the last.</param>
    /// <exception cref="ArgumentException">Queries between those added before and these are missing.</exception>
    public ScoreHistory WithAdded(int start, int end)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(end, start);
        if (!HasAdded)
            return this with { AddedStart = start, AddedEnd = end };
        if (start != AddedEnd)
            throw new ArgumentException($"Queries from {start} were added, but those before end at {AddedEnd}; they must follow one another.", nameof(start));
        return this with { AddedEnd = end };
    }

    /// <summary>Number of recorded queries that could see the KV at a position: those at it and behind it.</summary>
    public int QueriesThatSaw(int position) =>
        Math.Max(0, WindowEnd - Math.Max(WindowStart, position)) + Math.Max(0, AddedEnd - Math.Max(AddedStart, position));
}
