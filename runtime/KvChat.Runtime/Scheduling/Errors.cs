namespace KvChat.Runtime.Scheduling;

/// <summary>A request needs more memory or context than there is, even if it were alone.</summary>
public sealed class KvCapacityException(string what, long needed, long available, string help)
    : Exception($"{what}: {needed} needed, {available} available. {help}")
{
    /// <summary>What was needed, in the unit that the message names.</summary>
    public long Needed { get; } = needed;

    /// <summary>What there is.</summary>
    public long Available { get; } = available;
}

/// <summary>The queue of waiting requests is full.</summary>
public sealed class KvQueueFullException(int queued, TimeSpan retryAfter)
    : Exception($"{queued} requests are waiting already; try again in {retryAfter.TotalSeconds:0.#} s, or raise MaxQueuedRequests.")
{
    /// <summary>Requests that wait.</summary>
    public int Queued { get; } = queued;

    /// <summary>When a place is likely to be free.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>A single request failed, for example on logits that are not numbers; others go on.</summary>
public sealed class GenerationFailedException(string message, Exception? inner = null) : Exception(message, inner);
