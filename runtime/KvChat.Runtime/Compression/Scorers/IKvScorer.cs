using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>What a scorer wants attention to record, for the fields of <see cref="SequenceSlice"/> of the same names.</summary>
/// <param name="Mode">Whether scores are replaced by a window's, added to, or left alone.</param>
/// <param name="Rows">Most rows at the end of the slice that observe.</param>
/// <param name="PoolWidth">Width of the max-pooling along tokens, odd.</param>
/// <param name="Squared">True for squared attention weights.</param>
/// <param name="Largest">True for the largest attention weight in place of sums.</param>
/// <param name="LargestOfGroup">True for the largest over the group in place of its sum.</param>
/// <param name="AveragePool">True to pool by the mean.</param>
/// <param name="OverHidden">Whether a row's weights are divided by the length of its hidden state, what the layer gets from the residual stream.</param>
public readonly record struct Observation(
    ObservationMode Mode, int Rows, int PoolWidth, bool Squared, bool Largest = false, bool LargestOfGroup = false, bool AveragePool = false, bool OverHidden = false)
{
    /// <summary>Nothing is recorded.</summary>
    public static Observation None { get; } = new(ObservationMode.None, 0, 1, false);
}

/// <summary>How KVs get their scores: what kernels record while the model runs, and how the recorded numbers are read.</summary>
public interface IKvScorer
{
    /// <summary>Name, as in the literature.</summary>
    string Name { get; }

    /// <summary>
    /// Whether scores are sums over queries, so that KVs seen by more queries have larger ones, and <see cref="ScoreHistory"/> is needed to compare them.
    /// </summary>
    bool SumsOverQueries { get; }

    /// <summary>Whether scores are always divided by the number of queries that saw a KV, not only where queries were added behind the window.</summary>
    bool IsMean => false;

    /// <summary>Whether scores say nothing about a question: then what is asked is not looked at, whatever <see cref="KvCompression.Query"/> says.</summary>
    bool IsQueryAgnostic => false;

    /// <summary>Whether the engine reads what is to be compressed once more, in passes whose KVs are thrown away and whose attention is recorded by <see cref="ObserveRow"/>.</summary>
    bool Repeats => false;

    /// <summary>Whether every row of the prompt records by <see cref="ObserveRow"/>, not those of a window alone.</summary>
    bool ObservesAllRows => false;

    /// <summary>Whether scores are what attention has recorded, as it is: then a back end that evicts where its pages are needs no host for them.</summary>
    bool ReadsRecorded => false;

    /// <summary>Length of the observation window in tokens.</summary>
    int Window(KvCompression settings) => settings.ObservationWindow;

    /// <summary>What the observation window at the end of a prompt, or of a chunk, records.</summary>
    /// <param name="settings">The request's settings.</param>
    /// <param name="modelPoolWidth">Pool width measured for the model, used where the settings name none.</param>
    Observation ObservePrompt(KvCompression settings, int modelPoolWidth);

    /// <summary>What a decoding row records.</summary>
    Observation ObserveDecode(KvCompression settings);

    /// <summary>What every row records of a pass that reads the prompt once more, or of a prompt whose rows all record.</summary>
    Observation ObserveRow(KvCompression settings) => Observation.None;

    /// <summary>Reads the scores of a head, higher for KVs that matter more.</summary>
    /// <param name="head">The head.</param>
    /// <param name="scores">Receives <c>[length of the head]</c> scores.</param>
    void ReadScores(in ScoredHead head, Span<float> scores);
}
