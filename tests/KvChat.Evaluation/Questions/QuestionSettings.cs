using KvChat.Kernels;
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

    public required string Policy { get; init; }

    /// <summary>Retained shares to be measured, in this order; 1 is the full cache.</summary>
    public required IReadOnlyList<double> Retained { get; init; }

    public CompressionQuery Query { get; init; }

    public CompressionSchedule Schedule { get; init; }

    public AnswerMatch Match { get; init; }

    public int? Limit { get; init; }

    /// <summary>Questions of a session.</summary>
    public int Turns { get; init; } = 1;

    public KvFormat Format { get; init; }

    /// <summary>Format of KVs that matter less, or null.</summary>
    public KvFormat? LowFormat { get; init; }

    /// <summary>Share of the budget for KVs in <see cref="Format"/> where there is a low format.</summary>
    public double? HighShare { get; init; }

    public int? PoolWidth { get; init; }

    public int? Window { get; init; }

    public int? Chunk { get; init; }

    public int Threads { get; init; }

    public ActivationPrecision Activations { get; init; }

    /// <summary>Bytes of the pool.</summary>
    public long CacheBytes { get; init; }

    /// <summary>Sessions that are under way at once.</summary>
    public int Sessions { get; init; }

    /// <summary>The compression of one retained share.</summary>
    public KvCompression Compression(double retained)
    {
        if (Policy == "off" || retained >= 1)
            return KvCompression.Off with { Format = Format };
        var defaults = new KvCompression();
        return new KvCompression
        {
            Policy = Policy,
            RetainedRatio = retained,
            Query = Query,
            Schedule = Schedule,
            Format = Format,
            LowFormat = LowFormat,
            HighShare = HighShare ?? defaults.HighShare,
            PoolWidth = PoolWidth,
            ObservationWindow = Window ?? defaults.ObservationWindow,
            ChunkTokens = Chunk ?? defaults.ChunkTokens,
        };
    }
}
