using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Scores of KV-Compress (arXiv 2410.00161): attention weights of the window's queries, squared, summed over the queries, max-pooled along
/// tokens and summed over the group; decoding queries add theirs. All of it is recorded by the attention kernels.
/// </summary>
public sealed class AttentionScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "kv-compress";

    /// <inheritdoc/>
    public bool SumsOverQueries => true;

    /// <inheritdoc/>
    public bool ReadsRecorded => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.IsOff ? Observation.None : new(ObservationMode.Window, int.MaxValue, settings.PoolWidth ?? modelPoolWidth, settings.Squared);
    }

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.IsOff || settings.DecodeInterval == 0 ? Observation.None : new(ObservationMode.Accumulate, 1, 1, settings.Squared);
    }

    /// <inheritdoc/>
    public void ReadScores(in ScoredHead head, Span<float> scores) => head.ReadRecorded(scores);
}
