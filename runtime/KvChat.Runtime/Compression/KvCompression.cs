using KvChat.Kernels;

namespace KvChat.Runtime.Compression;

/// <summary>When a sequence is compressed for the first time.</summary>
public enum CompressionSchedule
{
    /// <summary>Once, when the whole prompt has been read: the best choice of what to keep, at the memory of the whole prompt.</summary>
    AfterPrompt,

    /// <summary>
    /// After every chunk of the prompt (Batch-Max, arXiv 2412.05693): the memory of a prompt never exceeds its budget plus one chunk, so
    /// prompts longer than the pool can be read.
    /// </summary>
    WhileReading,
}

/// <summary>Whose attention decides what a prompt keeps.</summary>
public enum CompressionQuery
{
    /// <summary>
    /// The last tokens of the prompt, which hold the question: they observe the whole prompt, and while it is read they run behind every chunk as a
    /// temporary suffix whose KVs are thrown away.
    /// </summary>
    Known,

    /// <summary>The question is not looked at: each chunk's own last tokens observe what came before.</summary>
    Unknown,
}

/// <summary>
/// How the KV cache of one request is compressed. The defaults are KV-Compress (arXiv 2410.00161): squared attention of an observation
/// window, max-pooled, and whole pages given back where they cost least over all layers and heads.
/// </summary>
public sealed record KvCompression
{
    /// <summary>The full cache.</summary>
    public static KvCompression Off { get; } = new() { Policy = CompressionPolicies.Off };

    /// <summary>
    /// Mixed precision as in LeanKV (arXiv 2412.03131): KVs are read and kept in K8V4, those that matter less go to K4V2, the rest is dropped. Set a budget with it: the
    /// ratio is 1 as it stands, and then all KVs stay in <see cref="Format"/> and <see cref="LowFormat"/> is never used. Without <see cref="LowFormat"/> it only evicts.
    /// Or set <see cref="DropThreshold"/> and <see cref="LowThreshold"/>, the paper's own way; it used 0.02 and 1 for Llama-3-8B, 0.04 and 0.04 for Qwen2.5-7B, 0 and 1 for Llama-3-70B, 0 and 3 for Qwen2.5-32B.
    /// </summary>
    public static KvCompression LeanKv { get; } = new() { Policy = "leankv", Format = KvFormat.K8V4, LowFormat = KvFormat.K4V2, ProtectedTokens = 64 };

    /// <summary>
    /// 99 % of the full cache's right answers, as measured of the model that is asked; see <see cref="MinQuality"/>. A model without measurements gets <see cref="Careful"/>.
    /// </summary>
    public static KvCompression Safe { get; } = new() { MinQuality = 0.99 };

    /// <summary>
    /// What a model without measurements gets where a quality is asked for: nothing is evicted, KVs are stored in K8V8, at little more than half of the bytes of F16. Figures of its likeness
    /// to the full cache stand in tests/KvChat.Benchmarks/RESULTS.md, "A quality instead of a ratio".
    /// </summary>
    public static KvCompression Careful { get; } = new() { Policy = CompressionPolicies.Off, Format = KvFormat.K8V8 };

    /// <summary>
    /// A share of the full cache's right answers, above 0 and at most 1, that is to be kept, instead of a ratio; null for the settings themselves. Whoever knows the model's measurements
    /// puts policy, ratio and formats in its place before a request is queued, which the chat client does from the table beside the model's file; the engine refuses it.
    /// </summary>
    public double? MinQuality { get; init; }

    /// <summary>Name of the policy, one of <see cref="CompressionPolicies.Names"/>: scorer and allocator together.</summary>
    public string Policy { get; init; } = CompressionPolicies.Standard;

    /// <summary>Name of the allocator that divides the budget among heads, one of <see cref="BudgetAllocators.Names"/>; null for the policy's own.</summary>
    public string? Allocator { get; init; }

    /// <summary>
    /// KVs kept per KV seen, over all heads, sinks and protected ones included; 0.125 is "8x". From above 0 to 1. Ignored where
    /// <see cref="RetainedKvs"/> is set.
    /// </summary>
    public double RetainedRatio { get; init; } = 1;

    /// <summary>KVs kept per head on average, instead of a ratio; at least <see cref="SinkTokens"/> plus <see cref="ProtectedTokens"/>.</summary>
    public int? RetainedKvs { get; init; }

    /// <summary>When the prompt is compressed.</summary>
    public CompressionSchedule Schedule { get; init; }

    /// <summary>Whose attention decides.</summary>
    public CompressionQuery Query { get; init; }

    /// <summary>How KVs are stored.</summary>
    public KvFormat Format { get; init; }

    /// <summary>
    /// Format of fewer bits for KVs that matter less, one of codes; null for a single format. A compression then keeps KVs in <see cref="Format"/>, keeps others in
    /// this one and drops the rest (LeanKV, arXiv 2412.03131). Sinks, protected and pinned KVs stay in <see cref="Format"/>.
    /// </summary>
    public KvFormat? LowFormat { get; init; }

    /// <summary>Share of the budget's bytes for KVs in <see cref="Format"/> where there is a <see cref="LowFormat"/>; the rest is for those in the latter. From above 0 to 1.</summary>
    public double HighShare { get; init; } = 0.5;

    /// <summary>
    /// a_l of LeanKV (arXiv 2412.03131): a KV whose mean attention weight lies below this over the tokens seen is dropped; 0 drops none. Not negative; null for a budget instead of thresholds, unless
    /// <see cref="LowThreshold"/> is set. Thresholds are compared with mean attention weights and so go with the policy "leankv" alone; how much stays is what the model's attention says, and nobody promises a ratio.
    /// </summary>
    public double? DropThreshold { get; init; }

    /// <summary>
    /// a_h of LeanKV: a KV whose mean attention weight lies below this over the tokens seen goes to <see cref="LowFormat"/>; 0 or null sends none. At least
    /// <see cref="DropThreshold"/>, or 0. With 0 there nothing is dropped (quantise only), with 0 here nothing is quantised (evict only).
    /// </summary>
    public double? LowThreshold { get; init; }

    /// <summary>Whether thresholds decide instead of a budget.</summary>
    public bool HasThresholds => DropThreshold is not null || LowThreshold is not null;

    /// <summary>Prompt tokens whose queries make the scores (w).</summary>
    public int ObservationWindow { get; init; } = 32;

    /// <summary>Width of the max-pooling along tokens (k), odd; null for the engine's (EngineOptions.PoolWidth).</summary>
    public int? PoolWidth { get; init; }

    /// <summary>True for squared attention (L2), false for plain (L1).</summary>
    public bool Squared { get; init; } = true;

    /// <summary>Newest KVs of every head that are never evicted.</summary>
    public int ProtectedTokens { get; init; } = 32;

    /// <summary>First KVs of every head that are never evicted.</summary>
    public int SinkTokens { get; init; } = 4;

    /// <summary>Prompt tokens between two compressions while reading; positions are counted from the start of the sequence.</summary>
    public int ChunkTokens { get; init; } = 512;

    /// <summary>Answer tokens between two compressions while decoding; 0 for none.</summary>
    public int DecodeInterval { get; init; } = 64;

    /// <summary>
    /// Whether the engine may compress this request further when pages run out, before anyone is preempted. The only way in which other
    /// requests can change this one's tokens; reported in the usage.
    /// </summary>
    public bool UnderPressure { get; init; }

    /// <summary>Whether anything is ever evicted by the request's own settings.</summary>
    public bool IsOff => Policy == CompressionPolicies.Off || (RetainedKvs is null && RetainedRatio >= 1 && !HasThresholds);

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">A field is out of its range; the message names it, its value and what would be right.</exception>
    public void Validate()
    {
        Check.Field(CompressionPolicies.Names.Contains(Policy), nameof(KvCompression), nameof(Policy), Policy, $"one of: {string.Join(", ", CompressionPolicies.Names)}");
        Check.Field(Allocator is null || BudgetAllocators.Names.Contains(Allocator), nameof(KvCompression), nameof(Allocator), Allocator, $"one of: {string.Join(", ", BudgetAllocators.Names)}; or null for the policy's own");
        Check.Field(RetainedRatio is > 0 and <= 1, nameof(KvCompression), nameof(RetainedRatio), RetainedRatio, "above 0 and at most 1");
        Check.Field(RetainedKvs is null || RetainedKvs >= SinkTokens + ProtectedTokens, nameof(KvCompression), nameof(RetainedKvs), RetainedKvs,
            $"at least SinkTokens + ProtectedTokens = {SinkTokens + ProtectedTokens}");
        CheckQuality();
        CheckThresholds();
        Check.Field(Enum.IsDefined(Schedule), nameof(KvCompression), nameof(Schedule), Schedule, "a CompressionSchedule");
        Check.Field(Enum.IsDefined(Query), nameof(KvCompression), nameof(Query), Query, "a CompressionQuery");
        Check.Field(Enum.IsDefined(Format), nameof(KvCompression), nameof(Format), Format, $"one of: {KvFormats.Names}");
        Check.Field(LowFormat is null || (Enum.IsDefined(LowFormat.Value) && LowFormat.Value.IsQuantized()), nameof(KvCompression), nameof(LowFormat), LowFormat, "one of codes: K8V8, K8V4, K4V4, K4V2; or null");
        Check.Field(HighShare is > 0 and <= 1, nameof(KvCompression), nameof(HighShare), HighShare, "above 0 and at most 1");
        Check.Field(ObservationWindow is >= 1 and <= 256, nameof(KvCompression), nameof(ObservationWindow), ObservationWindow, "from 1 to 256");
        Check.Field(PoolWidth is null || (PoolWidth is >= 1 and <= 255 && PoolWidth % 2 == 1), nameof(KvCompression), nameof(PoolWidth), PoolWidth, "odd, from 1 to 255");
        Check.Field(ProtectedTokens is >= 1 and <= 4096, nameof(KvCompression), nameof(ProtectedTokens), ProtectedTokens, "from 1 to 4096");
        Check.Field(SinkTokens is >= 0 and <= 4096, nameof(KvCompression), nameof(SinkTokens), SinkTokens, "from 0 to 4096");
        Check.Field(ChunkTokens is >= 64 and <= 65536, nameof(KvCompression), nameof(ChunkTokens), ChunkTokens, "from 64 to 65536");
        Check.Field(DecodeInterval is >= 0 and <= 65536, nameof(KvCompression), nameof(DecodeInterval), DecodeInterval, "from 0 to 65536");
    }

    private void CheckThresholds()
    {
        Check.Field(DropThreshold is null or (>= 0 and < double.PositiveInfinity), nameof(KvCompression), nameof(DropThreshold), DropThreshold, "0 or more, or null");
        Check.Field(LowThreshold is null or 0 || (LowThreshold >= (DropThreshold ?? 0) && LowThreshold < double.PositiveInfinity), nameof(KvCompression), nameof(LowThreshold), LowThreshold,
            $"at least DropThreshold ({DropThreshold ?? 0}), 0 or null");
        Check.Field(LowThreshold is null or 0 || LowFormat is not null, nameof(KvCompression), nameof(LowThreshold), LowThreshold, "null or 0 where there is no LowFormat");
        if (!HasThresholds)
            return;
        string name = DropThreshold is null ? nameof(LowThreshold) : nameof(DropThreshold);
        double? value = DropThreshold ?? LowThreshold;
        Check.Field(Policy is "leankv" or CompressionPolicies.Off, nameof(KvCompression), name, value, $"null with Policy \"{Policy}\"; thresholds are for \"leankv\"");
        Check.Field(RetainedRatio == 1 && RetainedKvs is null && MinQuality is null, nameof(KvCompression), name, value,
            $"null where RetainedRatio (here {RetainedRatio}; 1 says nothing), RetainedKvs or MinQuality says how much is kept: thresholds or an amount, not both");
    }

    private void CheckQuality()
    {
        Check.Field(MinQuality is null or (> 0 and <= 1), nameof(KvCompression), nameof(MinQuality), MinQuality, "above 0 and at most 1, or null");
        Check.Field(MinQuality is null || (RetainedRatio == 1 && RetainedKvs is null), nameof(KvCompression), nameof(MinQuality), MinQuality,
            $"null where RetainedRatio (here {RetainedRatio}; 1 says nothing) or RetainedKvs (here {RetainedKvs?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"}) says how much is kept: a quality or an amount, not both");
        Check.Field(MinQuality is null || Policy != CompressionPolicies.Off, nameof(KvCompression), nameof(MinQuality), MinQuality, "null where Policy is \"off\", which keeps everything");
    }
}
