using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>What a budget of KV cache holds.</summary>
/// <param name="Sessions">Sessions of that length that are in the pool at once, read one after another; 0 where not even one can be read.</param>
/// <param name="BytesPerSession">Bytes of pages that a session holds once it has been read and compressed.</param>
/// <param name="PeakBytesWhileReading">Most bytes of pages that it takes while it is read.</param>
/// <param name="BudgetBytes">Bytes of the whole pool.</param>
public sealed record CapacityPlan(int Sessions, long BytesPerSession, long PeakBytesWhileReading, long BudgetBytes);

/// <content>Planning without reading anything.</content>
public sealed partial class InferenceEngine
{
    /// <summary>Says how many sessions the pool holds, by the arithmetic that admission uses. Nothing pinned is assumed, and no two sessions share a prefix.</summary>
    /// <param name="tokens">Tokens that each session has read.</param>
    /// <param name="compression">How each is compressed.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public CapacityPlan PlanCapacity(int tokens, KvCompression compression)
    {
        ArgumentNullException.ThrowIfNull(compression);
        compression.Validate();
        Check.Field(tokens >= 1 && tokens <= ContextTokens, nameof(PlanCapacity), nameof(tokens), tokens, $"from 1 to {ContextTokens}");
        RequestChecks.CheckFormats(compression, _scheduler);
        long peak = _scheduler.Needs.Prompt(compression, [], tokens), kept = Math.Min(peak, _scheduler.Needs.Kept(compression, tokens));
        long total = _scheduler.TotalPages, sessions = peak > total ? 0 : 1 + ((total - peak) / kept);
        long page = _scheduler.BytesPerPage;
        return new CapacityPlan((int)sessions, kept * page, peak * page, total * page);
    }
}
