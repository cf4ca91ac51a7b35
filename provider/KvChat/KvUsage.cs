using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <summary>
/// What became of a request's KVs, counted over all layers and KV heads. Read it with <c>response.GetKvUsage()</c>; the same counts stand in
/// <see cref="UsageDetails.AdditionalCounts"/> under the names of <see cref="KvUsageNames"/>.
/// </summary>
public sealed record KvUsage
{
    /// <summary>Tokens seen, times layers, times KV heads.</summary>
    public required long Seen { get; init; }

    /// <summary>KVs in the cache at the end.</summary>
    public required long Kept { get; init; }

    /// <summary>KVs that compression dropped.</summary>
    public required long Evicted { get; init; }

    /// <summary>KVs in the cache when the answer began.</summary>
    public required long KeptAtAnswer { get; init; }

    /// <summary>Bytes of pages at the end, metadata included.</summary>
    public required long Bytes { get; init; }

    /// <summary>Bytes of pages when the answer began.</summary>
    public required long BytesAtAnswer { get; init; }

    /// <summary>Most bytes of pages at any time.</summary>
    public required long PeakBytes { get; init; }

    /// <summary>How often the request gave its pages up for a while.</summary>
    public required long Preemptions { get; init; }

    /// <summary>How often memory pressure compressed the request beyond its own settings.</summary>
    public required long PressureCompressions { get; init; }

    /// <summary>Tokens of prepared documents that were read as text again: all but the first document of a prompt.</summary>
    public long DocumentTokensRead { get; init; }

    /// <summary>
    /// Whether the request asked for a <see cref="Runtime.Compression.KvCompression.MinQuality"/> of a model that has no table of measurements, and got
    /// <see cref="Runtime.Compression.KvCompression.Careful"/>.
    /// </summary>
    public bool IsQualityUnmeasured { get; init; }

    /// <summary>
    /// KVs kept per layer and KV head at the end, <c>[layers * kvHeads]</c>; null where the response has been serialised or was put together from updates.
    /// </summary>
    public IReadOnlyList<int>? KeptPerHead { get; init; }

    /// <summary>Time spent on scoring, choosing and moving the request's KVs; null where the response has been serialised or was put together from updates.</summary>
    public CompressionTimes? CompressionTimes { get; init; }

    /// <summary>Share of the KVs that is kept, from 0 to 1.</summary>
    public double RetainedRatio => Seen == 0 ? 1 : (double)Kept / Seen;

    internal static UsageDetails ToDetails(GenerationResult result, int outputTokens, int documentTokensRead, bool isQualityUnmeasured)
    {
        KvStatistics kvs = result.Kvs;
        return new UsageDetails
        {
            InputTokenCount = result.PromptTokens,
            OutputTokenCount = outputTokens,
            TotalTokenCount = (long)result.PromptTokens + outputTokens,
            CachedInputTokenCount = result.CachedTokens,
            AdditionalCounts = new AdditionalPropertiesDictionary<long>
            {
                [KvUsageNames.Seen] = kvs.Seen,
                [KvUsageNames.Kept] = kvs.Kept,
                [KvUsageNames.Evicted] = kvs.Evicted,
                [KvUsageNames.KeptAtAnswer] = kvs.KeptAtAnswer,
                [KvUsageNames.Bytes] = kvs.Bytes,
                [KvUsageNames.BytesAtAnswer] = kvs.BytesAtAnswer,
                [KvUsageNames.PeakBytes] = kvs.PeakBytes,
                [KvUsageNames.Preemptions] = result.Preemptions,
                [KvUsageNames.PressureCompressions] = kvs.PressureCompressions,
                [KvUsageNames.DocumentTokensRead] = documentTokensRead,
                [KvUsageNames.QualityUnmeasured] = isQualityUnmeasured ? 1 : 0,
            },
        };
    }

    internal static KvUsage? From(UsageDetails? usage, object? raw)
    {
        if (usage?.AdditionalCounts is not { } counts || !counts.ContainsKey(KvUsageNames.Seen))
            return null;
        return new KvUsage
        {
            Seen = Count(KvUsageNames.Seen),
            Kept = Count(KvUsageNames.Kept),
            Evicted = Count(KvUsageNames.Evicted),
            KeptAtAnswer = Count(KvUsageNames.KeptAtAnswer),
            Bytes = Count(KvUsageNames.Bytes),
            BytesAtAnswer = Count(KvUsageNames.BytesAtAnswer),
            PeakBytes = Count(KvUsageNames.PeakBytes),
            Preemptions = Count(KvUsageNames.Preemptions),
            PressureCompressions = Count(KvUsageNames.PressureCompressions),
            DocumentTokensRead = Count(KvUsageNames.DocumentTokensRead),
            IsQualityUnmeasured = Count(KvUsageNames.QualityUnmeasured) > 0,
            CompressionTimes = (raw as GenerationResult)?.Kvs.CompressionTimes,
            KeptPerHead = (raw as GenerationResult)?.Kvs.KeptPerHead,
        };

        long Count(string name) => counts.TryGetValue(name, out long value) ? value : 0;
    }
}
