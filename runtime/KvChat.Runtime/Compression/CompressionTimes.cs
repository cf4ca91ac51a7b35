namespace KvChat.Runtime.Compression;

/// <summary>
/// Time that compression took, by what was done. Moving is compaction, requantising and giving pages back; selecting is what an allocator and its preparation take. Scoring is reading or computing scores, the
/// part of attention that records them where the back end tells it (<see cref="Kernels.KvBatch.ScoringTicks"/>; shared among the sequences of a step by the attention they record), and of a step
/// that carries rows for their attention alone (a temporary suffix, a repeat pass) their share of its rows.
/// </summary>
/// <param name="Scoring">Making and reading scores.</param>
/// <param name="Selecting">Choosing what stays.</param>
/// <param name="Moving">Closing holes and giving pages back.</param>
public readonly record struct CompressionTimes(TimeSpan Scoring, TimeSpan Selecting, TimeSpan Moving)
{
    /// <summary>All three.</summary>
    public TimeSpan Total => Scoring + Selecting + Moving;

    /// <summary>Part by part.</summary>
    public static CompressionTimes operator +(CompressionTimes left, CompressionTimes right) => Add(left, right);

    /// <summary>Part by part.</summary>
    public static CompressionTimes operator -(CompressionTimes left, CompressionTimes right) => Subtract(left, right);

    /// <summary>Part by part.</summary>
    public static CompressionTimes Add(CompressionTimes left, CompressionTimes right) =>
        new(left.Scoring + right.Scoring, left.Selecting + right.Selecting, left.Moving + right.Moving);

    /// <summary>Part by part.</summary>
    public static CompressionTimes Subtract(CompressionTimes left, CompressionTimes right) =>
        new(left.Scoring - right.Scoring, left.Selecting - right.Selecting, left.Moving - right.Moving);
}
