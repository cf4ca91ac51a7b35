using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>H2O (arXiv 2306.14048): attention weights summed over all queries so far. A prompt's rows all record, so that it is always read from its start.</summary>
public sealed class RunningSumScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "h2o";

    /// <inheritdoc/>
    public bool SumsOverQueries => false; // the running sum itself is the score, larger for old KVs on purpose

    /// <inheritdoc/>
    public bool ReadsRecorded => true;

    /// <inheritdoc/>
    public bool ObservesAllRows => true;

    /// <inheritdoc/>
    public Observation ObservePrompt(KvCompression settings, int modelPoolWidth) => ObserveRow(settings);

    /// <inheritdoc/>
    public Observation ObserveRow(KvCompression settings) => new(ObservationMode.Accumulate, int.MaxValue, 1, false);

    /// <inheritdoc/>
    public Observation ObserveDecode(KvCompression settings) => Decode(settings);

    /// <inheritdoc/>
    public void ReadScores(in ScoredHead head, Span<float> scores) => head.ReadRecorded(scores);

    /// <summary>Decoding rows add their attention weights.</summary>
    internal static Observation Decode(KvCompression settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.DecodeInterval == 0 ? Observation.None : new(ObservationMode.Accumulate, 1, 1, false);
    }
}
