using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>What the engine is doing and has done; a snapshot taken between two steps.</summary>
public sealed record EngineStatistics
{
    /// <summary>Pages of the pool.</summary>
    public required int TotalPages { get; init; }

    /// <summary>Pages that nobody holds.</summary>
    public required int FreePages { get; init; }

    /// <summary>Bytes of a page, metadata included.</summary>
    public required int BytesPerPage { get; init; }

    /// <summary>Bytes of the whole pool.</summary>
    public long CacheBytes => (long)TotalPages * BytesPerPage;

    /// <summary>Sequences that run.</summary>
    public required int Running { get; init; }

    /// <summary>Running sequences that are still in their prompt.</summary>
    public required int Reading { get; init; }

    /// <summary>Running sequences whose pages wait in host memory.</summary>
    public required int Preempted { get; init; }

    /// <summary>Requests that wait to start.</summary>
    public required int Waiting { get; init; }

    /// <summary>Finished sequences that are held for later turns.</summary>
    public required int Held { get; init; }

    /// <summary>Prepared sequences, those that wait in host memory included.</summary>
    public int Prepared { get; init; }

    /// <summary>Most sequences that ran with pages at the same time.</summary>
    public required int PeakRunning { get; init; }

    /// <summary>Steps so far.</summary>
    public required long Steps { get; init; }

    /// <summary>Prompt tokens read so far.</summary>
    public required long PromptTokens { get; init; }

    /// <summary>Prompt tokens that did not have to be read because their KVs were held.</summary>
    public required long CachedPromptTokens { get; init; }

    /// <summary>Tokens drawn so far.</summary>
    public required long GeneratedTokens { get; init; }

    /// <summary>KVs evicted so far.</summary>
    public required long KvsEvicted { get; init; }

    /// <summary>How often a sequence gave its pages up for a while.</summary>
    public required long Preemptions { get; init; }

    /// <summary>How often memory pressure compressed a request.</summary>
    public required long PressureCompressions { get; init; }

    /// <summary>Time that was spent on scoring, choosing and moving KVs so far.</summary>
    public TimeSpan CompressionTime => CompressionTimes.Total;

    /// <summary>The same, part by part.</summary>
    public CompressionTimes CompressionTimes { get; init; }

    /// <summary>
    /// Whether requests wait, or gave their pages up, because the pool had none for them; true until none does any more. Held sequences do not fill the pool: they go first.
    /// </summary>
    public bool IsPoolFull { get; init; }

    /// <summary>How often the pool has become full; who finds it full twice with the same count has found it full all the time between.</summary>
    public long PoolFullPeriods { get; init; }

    /// <summary>Whether the engine's loop has ended by an error; no request is served any more.</summary>
    public required bool IsFaulted { get; init; }
}
