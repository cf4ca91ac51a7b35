namespace KvChat.Evaluation.Grid;

/// <summary>What a run of <c>grid</c> measures.</summary>
public sealed record GridSettings
{
    public required string Model { get; init; }

    /// <summary>Folder of the results; a run that was ended goes on from what stands there.</summary>
    public required string Output { get; init; }

    /// <summary>Files of documents with questions.</summary>
    public IReadOnlyList<string> Questions { get; init; } = [];

    /// <summary>Tasks to be generated, by name.</summary>
    public IReadOnlyList<string> Generate { get; init; } = [];

    /// <summary>Lengths of generated documents in tokens.</summary>
    public IReadOnlyList<int> Lengths { get; init; } = [];

    /// <summary>Folder of LongBench's or RULER's data.</summary>
    public string? Data { get; init; }

    /// <summary>Policies, allocators, shares, formats, queries and schedule.</summary>
    public GridAxes Axes { get; init; } = new();

    /// <summary>The table of measured quality that the rows are added to; null for none.</summary>
    public string? Table { get; init; }

    /// <summary>Most questions of a set.</summary>
    public int Limit { get; init; } = 40;

    public int Seed { get; init; } = 1;

    /// <summary>Whether an answer need only contain the value, in ledgers and question files.</summary>
    public bool MatchValue { get; init; }

    /// <summary>Tokens of running text; 0 for none.</summary>
    public int TextTokens { get; init; }

    /// <summary>Passages of the running text.</summary>
    public int TextPassages { get; init; } = 1;

    /// <summary>The running text's file; null for a generated one.</summary>
    public string? TextFile { get; init; }

    /// <summary>Time after which the run stops, to go on later; null for none.</summary>
    public TimeSpan? MostTime { get; init; }

    public long CacheBytes { get; init; }

    public int Sessions { get; init; } = 8;

    public int Threads { get; init; }

    public IReadOnlyList<GridCell> Cells => GridCell.Product(Axes);
}
