using System.Diagnostics;
using System.Diagnostics.Metrics;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace KvChat.Telemetry;

/// <summary>The instruments of one client. What the engine counts is read when somebody collects; requests record when they end.</summary>
internal sealed class ClientTelemetry : IDisposable
{
    /// <summary>Spans of all clients.</summary>
    private static readonly ActivitySource Source = new(KvChatTelemetry.SourceName, Version);

    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
    };

    private static readonly InstrumentAdvice<long> Counts = new()
    {
        HistogramBucketBoundaries = [256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864],
    };

    private readonly Meter _meter;
    private readonly Func<EngineStatistics?> _statistics;
    private readonly TagList _tags;
    private readonly Histogram<long> _kvs;
    private readonly Histogram<double> _compression, _firstToken, _duration;
    private volatile bool _disposed;

    public ClientTelemetry(string model, string? client, IMeterFactory? factory, TimeProvider clock, ILogger logger, Func<EngineStatistics?> statistics)
    {
        Clock = clock;
        Logger = logger;
        _statistics = statistics;
        _tags = new TagList { { GenAiNames.Operation, GenAiNames.Chat }, { GenAiNames.Provider, KvCompressChatClient.ProviderName }, { GenAiNames.RequestModel, model } };
        if (!string.IsNullOrEmpty(client))
            _tags.Add(KvChatTelemetry.ClientName, client);
        var options = new MeterOptions(KvChatTelemetry.SourceName) { Version = Version };
        _meter = factory?.Create(options) ?? new Meter(options);
        _kvs = _meter.CreateHistogram(KvChatTelemetry.RequestKvs, "{kv}", "KVs of a request at its end.", null, Counts);
        _compression = _meter.CreateHistogram(KvChatTelemetry.CompressionDuration, "s", "Time that a request's compression took.", null, Seconds);
        _firstToken = _meter.CreateHistogram(KvChatTelemetry.TimeToFirstToken, "s", "From a request's submission to its first token.", null, Seconds);
        _duration = _meter.CreateHistogram(KvChatTelemetry.RequestDuration, "s", "From a request's arrival to its end.", null, Seconds);
        ObserveEngine();
    }

    public TimeProvider Clock { get; }

    public ILogger Logger { get; }

    private static string? Version => typeof(ClientTelemetry).Assembly.GetName().Version?.ToString(3);

    /// <summary>Begins the span and the measurements of a request.</summary>
    public RequestTrace Start(ChatOptions? options, string model)
    {
        Activity? span = Source.StartActivity($"{GenAiNames.Chat} {model}", ActivityKind.Internal, default(ActivityContext), _tags);
        return new RequestTrace(this, span, options);
    }

    public void RecordEnd(GenerationResult? result, TimeSpan duration, string? error)
    {
        TagList tags = _tags;
        if (error is not null)
            tags.Add(GenAiNames.ErrorType, error);
        _duration.Record(duration.TotalSeconds, tags);
        if (result is null)
            return;
        _firstToken.Record(result.TimeToFirstToken.TotalSeconds, _tags);
        _kvs.Record(result.Kvs.Kept, With(KvChatTelemetry.KvState, "kept"));
        _kvs.Record(result.Kvs.Evicted, With(KvChatTelemetry.KvState, "evicted"));
        if (result.Kvs.CompressionTime > TimeSpan.Zero)
            _compression.Record(result.Kvs.CompressionTime.TotalSeconds, _tags);
    }

    /// <summary>Ends the measuring; a meter that a factory made is the factory's.</summary>
    public void Dispose()
    {
        _disposed = true;
        _meter.Dispose();
    }

    private void ObserveEngine()
    {
        _meter.CreateObservableUpDownCounter(KvChatTelemetry.Pages, () => Read(s => [
            Of(s.TotalPages - s.FreePages, KvChatTelemetry.PageState, "used"),
            Of(s.FreePages, KvChatTelemetry.PageState, "free")]), "{page}", "Pages of the KV cache's pool.");
        _meter.CreateObservableUpDownCounter(
            KvChatTelemetry.QueueLength, () => Read(s => [new Measurement<long>(s.Waiting, _tags)]), "{request}", "Requests that wait to start.");
        _meter.CreateObservableUpDownCounter(KvChatTelemetry.Sequences, () => Read(s => [
            Of(s.Running - s.Preempted, KvChatTelemetry.SequenceState, "running"),
            Of(s.Preempted, KvChatTelemetry.SequenceState, "preempted"),
            Of(s.Held, KvChatTelemetry.SequenceState, "held")]), "{sequence}", "Sequences in the engine.");
        _meter.CreateObservableCounter(
            KvChatTelemetry.Preemptions, () => Read(s => [new Measurement<long>(s.Preemptions, _tags)]), "{preemption}", "How often a sequence gave its pages up for a while.");
        _meter.CreateObservableCounter(KvChatTelemetry.Tokens, () => Read(s => [
            Of(s.PromptTokens, KvChatTelemetry.TokenPhase, "prefill"),
            Of(s.CachedPromptTokens, KvChatTelemetry.TokenPhase, "cached"),
            Of(s.GeneratedTokens, KvChatTelemetry.TokenPhase, "decode")]), "{token}", "Tokens that the engine has worked on.");
    }

    /// <summary>Nothing before the model is loaded, and nothing after the client's end, which a factory's meter outlives.</summary>
    private Measurement<long>[] Read(Func<EngineStatistics, Measurement<long>[]> read) => !_disposed && _statistics() is { } statistics ? read(statistics) : [];

    private Measurement<long> Of(long value, string attribute, string state) => new(value, With(attribute, state));

    private TagList With(string attribute, string state)
    {
        TagList tags = _tags;
        tags.Add(attribute, state);
        return tags;
    }
}
