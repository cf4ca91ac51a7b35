using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>TOVA (arXiv 2401.06104): attention weights of the last query, of the prompt or of the answer so far.</summary>
public sealed class LastQueryScorer : IKvScorer
{
    /// <inheritdoc/>
    public string Name => "tova";

    /// <inheritdoc/>
    public bool SumsOverQueries => false;

    /// <inheritdoc/>
    public bool ReadsRecorded => true;

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
    public void ReadScores(in ScoredHead head, Span<float> scores) => head.ReadRecorded(scores);
}
