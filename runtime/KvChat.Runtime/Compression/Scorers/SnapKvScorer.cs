using KvChat.Kernels;

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
    public bool ReadsRecorded => true;

    /// <inheritdoc/>
    public int Window(KvCompression settings) => WindowTokens;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => new(ObservationMode.Window, int.MaxValue, PoolTokens, false, AveragePool: true);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => RunningSumScorer.Decode(settings);

    /// <inheritdoc/>
    public void ReadScores(in ScoredHead head, Span<float> scores) => head.ReadRecorded(scores);
}
