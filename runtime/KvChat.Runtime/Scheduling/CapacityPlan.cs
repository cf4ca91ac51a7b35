using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>What a budget of KV cache holds.</summary>
/// <param name="Sessions">Sessions of that length that are in the pool at once, read one after another; 0 where not even one can be read.</param>
/// <param name="BytesPerSession">Bytes of pages that a session holds once it has been read and compressed, what its answer adds between two compressions included.</param>
/// <param name="PeakBytesWhileReading">Most bytes of pages that it takes while it is read.</param>
/// <param name="BudgetBytes">Bytes of the whole pool.</param>
public sealed record CapacityPlan(int Sessions, long BytesPerSession, long PeakBytesWhileReading, long BudgetBytes)
{
    /// <summary>
    /// Bytes of pages that a session holds however low its ratio: the sinks and the protected window of every head, in whole pages. Counted in <see cref="BytesPerSession"/>; with the full cache,
    /// the same.
    /// </summary>
    public long FloorBytesPerSession { get; init; }
}

/// <content>Planning without reading anything.</content>
public sealed partial class InferenceEngine
{
    /// <summary>Says how many sessions the pool holds, by the arithmetic that admission uses. Nothing pinned is assumed, and no two sessions share a prefix.</summary>
    /// <param name="tokens">Tokens of each session, prompt and answer together.</param>
    /// <param name="compression">How each is compressed.</param>
    /// <param name="answerTokens">How many of them are the answer's; 0 for sessions that are only held.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public CapacityPlan PlanCapacity(int tokens, KvCompression compression, int answerTokens = 0)
    {
        ArgumentNullException.ThrowIfNull(compression);
        compression.Validate();
        Check.Field(tokens >= 1 && tokens <= ContextTokens, nameof(PlanCapacity), nameof(tokens), tokens, $"from 1 to {ContextTokens}");
        Check.Field(answerTokens >= 0 && answerTokens < tokens, nameof(PlanCapacity), nameof(answerTokens), answerTokens, $"from 0 to {tokens - 1}, one token being the prompt's at least");
        RequestChecks.CheckFormats(compression, _scheduler);
        PageNeeds needs = _scheduler.Needs;
        long reading = needs.Prompt(compression, [], tokens - answerTokens), held = Math.Min(reading, needs.Kept(compression, tokens - answerTokens));
        if (answerTokens > 0)
            held = needs.Answering(compression, tokens, answerTokens);
        long peak = Math.Max(reading, held), total = _scheduler.TotalPages, sessions = peak > total ? 0 : 1 + ((total - peak) / held), page = _scheduler.BytesPerPage;
        return new CapacityPlan((int)sessions, held * page, peak * page, total * page)
        {
            FloorBytesPerSession = (compression.IsOff ? held : Math.Min(held, needs.Floor(compression, tokens))) * page,
        };
    }
}
