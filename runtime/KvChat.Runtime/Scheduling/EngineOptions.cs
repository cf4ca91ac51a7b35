namespace KvChat.Runtime.Scheduling;

/// <summary>Settings of the engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Bytes of all pages, metadata included; one budget for all sessions. Null takes what 4 sessions of full context need, at most a quarter of the memory; on a CUDA device, what <see cref="MaxSequences"/> sessions of full context need, at most three quarters of the device memory that is free when the weights are there.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>KVs of a page in F16: 16 or 32.</summary>
    public int PageTokens { get; init; } = 16;

    /// <summary>Requests that may wait; one more is refused with <see cref="KvQueueFullException"/>.</summary>
    public int MaxQueuedRequests { get; init; } = 256;

    /// <summary>Sequences that may run at once.</summary>
    public int MaxSequences { get; init; } = 256;

    /// <summary>Most rows of a step: prompt tokens and decoding sequences together.</summary>
    public int StepTokens { get; init; } = 512;

    /// <summary>Whether finished sequences are held until their pages are needed, so that a next turn reads only what is new.</summary>
    public bool HoldFinishedSequences { get; init; } = true;

    /// <summary>Longest sequence; null takes the model's context length.</summary>
    public int? ContextTokens { get; init; }

    /// <summary>
    /// Width of the max-pooling of observation scores where a request names none: odd, about as wide as what a question asks for. A fact of the embedded model's documents is a
    /// sentence, and 25 keeps all of its answers at 8x where 15 keeps 96 %; another model may want another width, which <c>KvChat.Evaluation questions --pool</c> finds.
    /// </summary>
    public int PoolWidth { get; init; } = 25;

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">A field is out of its range.</exception>
    public void Validate()
    {
        Check.Field(CacheBytes is null or > 0, nameof(EngineOptions), nameof(CacheBytes), CacheBytes, "a positive number of bytes");
        Check.Field(PageTokens is 16 or 32, nameof(EngineOptions), nameof(PageTokens), PageTokens, "16 or 32");
        Check.Field(MaxQueuedRequests >= 1, nameof(EngineOptions), nameof(MaxQueuedRequests), MaxQueuedRequests, "1 or more");
        Check.Field(MaxSequences is >= 1 and <= 4096, nameof(EngineOptions), nameof(MaxSequences), MaxSequences, "from 1 to 4096");
        Check.Field(StepTokens is >= 16 and <= 65536, nameof(EngineOptions), nameof(StepTokens), StepTokens, "from 16 to 65536");
        Check.Field(PoolWidth is >= 1 and <= 255 && PoolWidth % 2 == 1, nameof(EngineOptions), nameof(PoolWidth), PoolWidth, "odd, from 1 to 255");
        Check.Field(ContextTokens is null or >= 1, nameof(EngineOptions), nameof(ContextTokens), ContextTokens, "a positive number of tokens");
    }
}
