namespace KvChat.Telemetry;

/// <summary>
/// Names of what the client measures, after OpenTelemetry's conventions: <c>gen_ai.*</c> where its page on generative models has a name, else <c>kvchat.*</c>.
/// Listen with <c>AddSource(KvChatTelemetry.SourceName)</c> and <c>AddMeter(KvChatTelemetry.SourceName)</c>.
/// </summary>
public static class KvChatTelemetry
{
    /// <summary>Name of the <see cref="System.Diagnostics.ActivitySource"/> and of the <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string SourceName = "KvChat";

    /// <summary>Pages of the pool, by <see cref="PageState"/>; <c>{page}</c>.</summary>
    public const string Pages = "kvchat.cache.page.count";

    /// <summary>KVs of a request at its end, by <see cref="KvState"/>; <c>{kv}</c>.</summary>
    public const string RequestKvs = "kvchat.request.kvs";

    /// <summary>Time that a compressed request's compression took; <c>s</c>.</summary>
    public const string CompressionDuration = "kvchat.request.compression.duration";

    /// <summary>Requests that wait to start; <c>{request}</c>.</summary>
    public const string QueueLength = "kvchat.queue.length";

    /// <summary>Sequences in the engine, by <see cref="SequenceState"/>; <c>{sequence}</c>.</summary>
    public const string Sequences = "kvchat.sequence.count";

    /// <summary>How often a sequence gave its pages up for a while; <c>{preemption}</c>.</summary>
    public const string Preemptions = "kvchat.sequence.preemptions";

    /// <summary>Tokens that the engine has worked on, by <see cref="TokenPhase"/>; <c>{token}</c>.</summary>
    public const string Tokens = "kvchat.engine.tokens";

    /// <summary>From a request's submission to its first token; <c>s</c>.</summary>
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";

    /// <summary>From a request's arrival to its end; <c>s</c>.</summary>
    public const string RequestDuration = "gen_ai.server.request.duration";

    /// <summary>Attribute of <see cref="Pages"/>: <c>used</c> or <c>free</c>. Pages that finished sequences hold until they are needed are used.</summary>
    public const string PageState = "kvchat.cache.page.state";

    /// <summary>Attribute of <see cref="RequestKvs"/>: <c>kept</c> or <c>evicted</c>.</summary>
    public const string KvState = "kvchat.kv.state";

    /// <summary>Attribute of <see cref="Sequences"/>: <c>running</c>, <c>preempted</c> or <c>held</c>.</summary>
    public const string SequenceState = "kvchat.sequence.state";

    /// <summary>Attribute of <see cref="Tokens"/>: <c>prefill</c>, <c>decode</c>, or <c>cached</c> for prompt tokens whose KVs were still there.</summary>
    public const string TokenPhase = "kvchat.token.phase";

    /// <summary>Attribute of everything that a keyed client measures: its key.</summary>
    public const string ClientName = "kvchat.client.name";

    /// <summary>Attribute of a span: KVs seen.</summary>
    public const string SpanKvsSeen = "kvchat.kvs.seen";

    /// <summary>Attribute of a span: KVs kept at the end.</summary>
    public const string SpanKvsKept = "kvchat.kvs.kept";

    /// <summary>Attribute of a span: KVs evicted.</summary>
    public const string SpanKvsEvicted = "kvchat.kvs.evicted";

    /// <summary>Attribute of a span: seconds of compression.</summary>
    public const string SpanCompressionSeconds = "kvchat.compression.seconds";

    /// <summary>Attribute of a span: seconds to the first token.</summary>
    public const string SpanTimeToFirstToken = "kvchat.time_to_first_token";

    /// <summary>Attribute of a span: how often the request gave its pages up for a while.</summary>
    public const string SpanPreemptions = "kvchat.preemptions";
}
