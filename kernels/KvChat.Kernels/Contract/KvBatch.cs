namespace KvChat.Kernels;

/// <summary>What attention records about the KVs that a sequence's rows look at.</summary>
public enum ObservationMode
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>
    /// The last <see cref="SequenceSlice.ObservedRows"/> rows are an observation window: the score of each KV that was in the head before or came
    /// with this step is replaced by <c>sum over the group of maxpool_k(sum over the window's queries of A^2)</c> (KV-Compress, arXiv 2410.00161).
    /// </summary>
    Window,

    /// <summary>Each of the last <see cref="SequenceSlice.ObservedRows"/> rows adds <c>sum over the group of A^2</c> to the scores of the KVs it sees.</summary>
    Accumulate,
}

/// <summary>The rows of one sequence in a ragged batch.</summary>
public readonly struct SequenceSlice
{
    /// <summary>First row of the batch's tensors.</summary>
    public required int FirstRow { get; init; }

    /// <summary>Number of rows; the rows' KVs are appended to the sequence's heads in this order.</summary>
    public required int RowCount { get; init; }

    /// <summary>Whether its rows are rotated by <see cref="AppendOperation.LongRotary"/>, where there is one.</summary>
    public bool UsesLongRotary { get; init; }

    /// <summary>Format of the sequence's pages, into which rows are appended.</summary>
    public required KvFormat Format { get; init; }

    /// <summary>Format of the pages at the right end of the sequence's tables, one of codes; ignored where there are none.</summary>
    public KvFormat LowFormat { get; init; }

    /// <summary>What is recorded.</summary>
    public ObservationMode Observation { get; init; }

    /// <summary>Rows at the end of the slice whose attention is recorded.</summary>
    public int ObservedRows { get; init; }

    /// <summary>Width k of the max-pooling along the KVs of a head, odd; 1 for none. Stride 1, borders without padding.</summary>
    public int PoolWidth { get; init; }

    /// <summary>True for A^2 (L2, the default of the paper), false for A (L1).</summary>
    public bool Squared { get; init; }

    /// <summary>
    /// True for the largest A over the observed rows and the query heads of the group in place of a sum: <see cref="ObservationMode.Window"/> replaces the scores by it,
    /// <see cref="ObservationMode.Accumulate"/> raises those that lie below it. <see cref="Squared"/> then does not count.
    /// </summary>
    public bool Largest { get; init; }

    /// <summary>True for the largest over the query heads of the group in place of their sum; <see cref="Largest"/> implies it. Not together with <see cref="Squared"/> where scores are accumulated.</summary>
    public bool LargestOfGroup { get; init; }

    /// <summary>True to pool by the mean of the <see cref="PoolWidth"/> neighbours, what lies beyond the borders being 0; false for the largest of them.</summary>
    public bool AveragePool { get; init; }
}

/// <summary>
/// Which rows belong to which sequence, and where their KVs lie in the layer at hand. Filled by the runtime, once per step
/// (<see cref="Sequences"/>, <see cref="Positions"/>) and once per layer (<see cref="Heads"/>); reused without allocation.
/// </summary>
public sealed class KvBatch
{
    /// <summary>Sequences in the batch; the first <see cref="SequenceCount"/> count.</summary>
    public SequenceSlice[] Sequences { get; set; } = [];

    /// <summary>Number of sequences.</summary>
    public int SequenceCount { get; set; }

    /// <summary>Position of each row in its sequence, for rotary angles and sliding windows.</summary>
    public int[] Positions { get; set; } = [];

    /// <summary>Number of rows of all sequences.</summary>
    public int RowCount { get; set; }

    /// <summary>
    /// Factors of the attention weights that each row records, not of its result; null where all are 1. For the layer at hand, as long as <see cref="Positions"/>.
    /// </summary>
    public float[]? RowWeights { get; set; }

    /// <summary>
    /// Heads of the layer at hand: that of sequence s and KV head h at <c>s * kvHeads + h</c>. <see cref="HeadView.Length"/> counts the KVs
    /// before this step; row i of the slice sees that many plus i + 1, and all of the right end. The pages already have room for the slice's rows.
    /// </summary>
    public HeadView[] Heads { get; set; } = [];

    /// <summary>
    /// Time that recording attention (<see cref="SequenceSlice.Observation"/>) took beside attending, in ticks of <see cref="System.Diagnostics.Stopwatch"/>: back ends that know it add to it, the
    /// runtime sets it back. Back ends that do not wait for their device leave it alone.
    /// </summary>
    public long ScoringTicks { get; set; }
}
