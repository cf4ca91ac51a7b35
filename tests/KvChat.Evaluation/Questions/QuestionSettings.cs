using KvChat.Evaluation.Grid;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Questions;

/// <summary>How an answer is compared with the one of the file.</summary>
public enum AnswerMatch
{
    /// <summary>The trimmed answer equals it.</summary>
    Exact,

    /// <summary>The answer contains the value.</summary>
    Value,
}

/// <summary>What a run of <c>questions</c> asks, and how.</summary>
public sealed record QuestionSettings
{
    public required string Model { get; init; }

    public required string Questions { get; init; }

    /// <summary>Policies, allocators, shares and formats; a share of 1 is the full cache of each format.</summary>
    public required GridAxes Axes { get; init; }

    public AnswerMatch Match { get; init; }

    public int? Limit { get; init; }

    /// <summary>Questions of a session.</summary>
    public int Turns { get; init; } = 1;

    /// <summary>Share of the budget for KVs in the format where there is a low one.</summary>
    public double? HighShare { get; init; }

    /// <summary>Thresholds of "leankv" in place of shares; null for shares.</summary>
    public double? DropThreshold { get; init; }

    /// <inheritdoc cref="DropThreshold"/>
    public double? LowThreshold { get; init; }

    public int? PoolWidth { get; init; }

    public int? Window { get; init; }

    public int? Chunk { get; init; }

    public int Threads { get; init; }

    public ActivationPrecision Activations { get; init; }

    /// <summary>Bytes of the pool.</summary>
    public long CacheBytes { get; init; }

    /// <summary>Sessions that are under way at once.</summary>
    public int Sessions { get; init; }

    /// <summary>The model's table of measured quality, to which what later turns keep is added; null for none.</summary>
    public string? Table { get; init; }

    /// <summary>The cells whose rows are reported: the full cache where a share of 1 is asked for, then every policy.</summary>
    public IReadOnlyList<GridCell> Cells => [.. GridCell.Product(Axes).Where(c => !c.IsFull || (Axes.Formats.Contains(c.Format) && (Axes.Retained.Contains(1) || Axes.Policies.All(p => p == CompressionPolicies.Off))))];

    /// <summary>The compression of a cell.</summary>
    /// <exception cref="ArgumentException">The runtime lacks the allocator.</exception>
    public KvCompression Compression(GridCell cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        KvCompression settings = cell.Compression();
        return cell.IsFull ? settings : settings with
        {
            RetainedRatio = DropThreshold is null && LowThreshold is null ? settings.RetainedRatio : 1,
            DropThreshold = DropThreshold,
            LowThreshold = LowThreshold,
            HighShare = HighShare ?? settings.HighShare,
            PoolWidth = PoolWidth ?? settings.PoolWidth,
            ObservationWindow = Window ?? settings.ObservationWindow,
            ChunkTokens = Chunk ?? settings.ChunkTokens,
        };
    }

    /// <summary>Checks that what is measured can go into the table.</summary>
    /// <exception cref="ArgumentException">It cannot; the message names the options.</exception>
    public void ValidateTable()
    {
        if (Table is null)
            return;
        if (Turns < 2)
            throw new ArgumentException($"--table takes what later turns keep: --turns is {Turns}; it must be 2 or more. Rows of first questions come from the command grid.");
        if ((HighShare ?? DropThreshold ?? LowThreshold ?? Window ?? PoolWidth ?? Chunk) is not null)
            throw new ArgumentException("--table holds policies as they are; leave out --high-share, --drop-threshold, --low-threshold, --window, --pool and --chunk.");
    }
}
