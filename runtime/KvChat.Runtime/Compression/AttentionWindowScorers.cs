using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>SnapKV (arXiv 2404.14469): attention weights summed over the last 64 queries, pooled by the mean of 5 neighbours; decoding queries add theirs.</summary>
public sealed class SnapKvScorer : IKvScorer
{
    private const int WindowTokens = 64, PoolTokens = 5;

    /// <inheritdoc/>
    public string Name => "snapkv";

    /// <inheritdoc/>
    public bool SumsOverQueries => true;

    /// <inheritdoc/>
    public int Window(KvCompression settings) => WindowTokens;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => new(ObservationMode.Window, int.MaxValue, PoolTokens, false, AveragePool: true);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => RunningSumScorer.Decode(settings, largest: false);

    /// <inheritdoc/>
    public void ReadScores(SequenceCache cache, int layer, int kvHead, Span<float> scores) => RunningSumScorer.Recorded(cache, layer, kvHead, scores);
}

/// <summary>H2O (arXiv 2306.14048): attention weights summed over all queries so far. A prompt's rows all record, so that it is always read from its start.</summary>
public sealed class RunningSumScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "h2o";

    /// <inheritdoc/>
    public bool SumsOverQueries => false; // the running sum itself is the score, larger for old KVs on purpose

    /// <inheritdoc/>
    public bool ObservesAllRows => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => ObserveRow(settings);

    /// <inheritdoc/>
    public Observation ObserveRow(KvCompression settings) => new(ObservationMode.Accumulate, int.MaxValue, 1, false);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => Decode(settings, largest: false);

    /// <inheritdoc/>
    public void ReadScores(SequenceCache cache, int layer, int kvHead, Span<float> scores) => Recorded(cache, layer, kvHead, scores);

    /// <summary>Decoding rows add their attention weights, or raise scores to them.</summary>
    internal static Observation Decode(KvCompression settings, bool largest)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.DecodeInterval == 0 ? Observation.None : new(ObservationMode.Accumulate, 1, 1, false, largest);
    }

    /// <summary>What kernels have recorded.</summary>
    internal static void Recorded(SequenceCache cache, int layer, int kvHead, Span<float> scores)
    {
        ArgumentNullException.ThrowIfNull(cache);
        cache.ReadScores(layer, kvHead, scores);
    }
}

/// <summary>TOVA (arXiv 2401.06104): attention weights of the last query, of the prompt or of the answer so far.</summary>
public sealed class LastQueryScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "tova";

    /// <inheritdoc/>
    public bool SumsOverQueries => false;

    /// <inheritdoc/>
    public int Window(KvCompression settings) => 1;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => new(ObservationMode.Window, 1, 1, false);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.DecodeInterval == 0 ? Observation.None : new(ObservationMode.Window, 1, 1, false);
    }

    /// <inheritdoc/>
    public void ReadScores(SequenceCache cache, int layer, int kvHead, Span<float> scores) => RunningSumScorer.Recorded(cache, layer, kvHead, scores);
}

/// <summary>
/// Scores of KVzip (arXiv 2505.23416): the model reads the prompt once more behind itself, and a KV's score is the largest attention weight that any query of that
/// pass, of any query head of the group, gives it. Says nothing about a question. Decoding queries raise the scores in the same way.
/// </summary>
public sealed class RepeatScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "kvzip";

    /// <inheritdoc/>
    public bool SumsOverQueries => false;

    /// <inheritdoc/>
    public bool IsQueryAgnostic => true;

    /// <inheritdoc/>
    public bool Repeats => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => Observation.None;

    /// <inheritdoc/>
    public Observation ObserveRow(KvCompression settings) => new(ObservationMode.Accumulate, int.MaxValue, 1, false, Largest: true);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => RunningSumScorer.Decode(settings, largest: true);

    /// <inheritdoc/>
    public void ReadScores(SequenceCache cache, int layer, int kvHead, Span<float> scores) => RunningSumScorer.Recorded(cache, layer, kvHead, scores);
}
