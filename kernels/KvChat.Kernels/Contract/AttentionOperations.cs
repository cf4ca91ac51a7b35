namespace KvChat.Kernels;

/// <summary>Normalises, rotates and stores the keys and values of a step; queries are normalised and rotated in place.</summary>
public readonly struct AppendOperation
{
    /// <summary>Queries, keys and values side by side, <c>[rows, (queryHeads + 2 * kvHeads) * headDim]</c>.</summary>
    public required DeviceTensor QueryKeyValue { get; init; }

    /// <summary>Query heads.</summary>
    public required int QueryHeads { get; init; }

    /// <summary>KV heads; each serves <c>QueryHeads / KvHeads</c> neighbouring query heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Where the pages are.</summary>
    public required KvArena Arena { get; init; }

    /// <summary>Rows and heads.</summary>
    public required KvBatch Batch { get; init; }

    /// <summary>Rotary angles, or null for a layer without.</summary>
    public DeviceRotary? Rotary { get; init; }

    /// <summary>Rotary angles of the sequences that ask for them by <see cref="SequenceSlice.UsesLongRotary"/>; null where all take <see cref="Rotary"/>.</summary>
    public DeviceRotary? LongRotary { get; init; }

    /// <summary>
    /// Weights of an RMS norm before rotation, or null: of every query head with the same weights, <c>[headDim]</c>, or of all query heads together,
    /// <c>[queryHeads * headDim]</c>.
    /// </summary>
    public DeviceVector? QueryNorm { get; init; }

    /// <summary>The same for keys: <c>[headDim]</c>, <c>[kvHeads * headDim]</c>, or null.</summary>
    public DeviceVector? KeyNorm { get; init; }

    /// <summary>Added to the mean square under the root of both norms.</summary>
    public float NormEpsilon { get; init; }
}

/// <summary>
/// <c>output = softmax(scale * q K^T + logWeights) V</c> per row and query head, over the KVs that the row sees: those of its head before the
/// step and those of its slice up to itself, within the sliding window if there is one.
/// </summary>
public readonly struct AttentionOperation
{
    /// <summary>The tensor that <see cref="AppendOperation"/> has rotated; keys and values are read from the pages.</summary>
    public required DeviceTensor QueryKeyValue { get; init; }

    /// <summary>Query heads.</summary>
    public required int QueryHeads { get; init; }

    /// <summary>KV heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Where the pages are.</summary>
    public required KvArena Arena { get; init; }

    /// <summary>Rows and heads, with lengths as they were before <see cref="IComputeBackend.Append"/>.</summary>
    public required KvBatch Batch { get; init; }

    /// <summary>Results, <c>[rows, queryHeads * headDim]</c>.</summary>
    public required DeviceTensor Output { get; init; }

    /// <summary>Factor of the dot products, usually <c>1 / sqrt(headDim)</c>.</summary>
    public required float Scale { get; init; }

    /// <summary>0, or the cap c of <c>c * tanh(logit / c)</c> (Gemma 2).</summary>
    public float SoftCap { get; init; }

    /// <summary>0, or how far back a row sees: only KVs whose position is greater than its own minus this.</summary>
    public int SlidingWindow { get; init; }
}
