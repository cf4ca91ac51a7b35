using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>One answer that the engine is asked for.</summary>
public sealed record GenerationRequest
{
    /// <summary>The prompt's tokens, at least one.</summary>
    public required ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>What the stretches of the prompt are; they may leave gaps, which are compressible.</summary>
    public IReadOnlyList<PromptSpan> Spans { get; init; } = [];

    /// <summary>Most tokens of the answer; null for as many as context and pool leave.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Tokens that end the answer; they are not part of it.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>How tokens are drawn.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>
    /// Makes what holds the answer to a form, or null for free answers. Called once per request, when it is submitted, with the most tokens that
    /// the answer may have; what it throws reaches the caller.
    /// </summary>
    public Func<int, ITokenConstraint>? Constraint { get; init; }

    /// <summary>How many of the most probable tokens are reported with each token of the answer, from 0 to <see cref="TokenLogProbabilities.MostTop"/>; null reports nothing.</summary>
    public int? TopLogProbabilities { get; init; }

    /// <summary>How the cache is compressed.</summary>
    public KvCompression Compression { get; init; } = KvCompression.Off;

    /// <summary>
    /// What the prompt begins with and is not read again: all of its tokens must stand at the prompt's start. A compressed one is taken as it is, in its own format; a full one as far as
    /// it equals what this request would have read itself. Null for nothing.
    /// </summary>
    public PreparedSequence? Start { get; init; }
}

/// <summary>Why an answer ended.</summary>
public enum GenerationEnd
{
    /// <summary>A stop token was drawn.</summary>
    Stop,

    /// <summary>MaxOutputTokens, the context or the pool was used up.</summary>
    Length,
}

/// <summary>What an answer took.</summary>
public sealed record GenerationResult
{
    /// <summary>Why it ended.</summary>
    public required GenerationEnd End { get; init; }

    /// <summary>Tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Of these, tokens whose KVs were still held from an earlier request and were not read again.</summary>
    public required int CachedTokens { get; init; }

    /// <summary>Tokens of the answer.</summary>
    public required int OutputTokens { get; init; }

    /// <summary>What became of the KVs.</summary>
    public required KvStatistics Kvs { get; init; }

    /// <summary>From submission to the first token of the answer.</summary>
    public required TimeSpan TimeToFirstToken { get; init; }

    /// <summary>From submission to the end.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>How often the request gave its pages up for a while.</summary>
    public required int Preemptions { get; init; }
}

/// <summary>KVs of one request, counted over all layers and KV heads.</summary>
public sealed record KvStatistics
{
    /// <summary>Tokens seen times layers times KV heads.</summary>
    public required long Seen { get; init; }

    /// <summary>KVs in the cache at the end.</summary>
    public required long Kept { get; init; }

    /// <summary>Of these, KVs in the low format.</summary>
    public long KeptLow { get; init; }

    /// <summary>KVs in the cache when the first token of the answer was drawn.</summary>
    public required long KeptAtAnswer { get; init; }

    /// <summary>Evicted KVs.</summary>
    public long Evicted => Seen - Kept;

    /// <summary>Bytes of pages at the end, metadata included.</summary>
    public required long Bytes { get; init; }

    /// <summary>Bytes of pages when the first token of the answer was drawn.</summary>
    public required long BytesAtAnswer { get; init; }

    /// <summary>Most bytes of pages at any time.</summary>
    public required long PeakBytes { get; init; }

    /// <summary>The ratio that the settings asked for after it was raised to the floor, or null with the full cache.</summary>
    public double? EffectiveRatio { get; init; }

    /// <summary>How often memory pressure compressed the request beyond its own settings.</summary>
    public int PressureCompressions { get; init; }

    /// <summary>Time that was spent on scoring, choosing and moving the request's KVs.</summary>
    public TimeSpan CompressionTime => CompressionTimes.Total;

    /// <summary>The same, part by part.</summary>
    public CompressionTimes CompressionTimes { get; init; }

    /// <summary>KVs kept per layer and KV head at the end, <c>[layers * kvHeads]</c>.</summary>
    public required IReadOnlyList<int> KeptPerHead { get; init; }
}
