namespace KvChat.Loading;

/// <summary>How far the loading of a model is.</summary>
public enum ModelLoadingStage
{
    /// <summary>Nobody has asked for it yet.</summary>
    NotStarted,

    /// <summary>Its files are looked for.</summary>
    Locating,

    /// <summary>Its files come from the hub.</summary>
    Downloading,

    /// <summary>Its weights are read.</summary>
    Reading,

    /// <summary>Requests are answered.</summary>
    Ready,

    /// <summary>It could not be loaded; the next request tries again.</summary>
    Failed,
}

/// <summary>How far the loading of a client's model is: a snapshot, reported on the thread that loads.</summary>
public sealed record ModelLoadingProgress
{
    /// <summary>The model as the options name it.</summary>
    public required string Model { get; init; }

    /// <summary>What is being done.</summary>
    public required ModelLoadingStage Stage { get; init; }

    /// <summary>Part of the stage that is done, from 0 to 1.</summary>
    public double Fraction { get; init; }

    /// <summary>The download, while <see cref="ModelLoadingStage.Downloading"/>.</summary>
    public Models.ModelDownloadProgress? Download { get; init; }

    /// <summary>Why it failed, after <see cref="ModelLoadingStage.Failed"/>.</summary>
    public Exception? Error { get; init; }
}
