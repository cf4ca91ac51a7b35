using System.Diagnostics;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat.Telemetry;

/// <summary>
/// One request's span and measurements: give it what fails and what is answered, and dispose of it. Disposed before its last update it counts as abandoned. No text
/// of messages or answers goes into it.
/// </summary>
internal sealed class RequestTrace : IDisposable
{
    private readonly ClientTelemetry _telemetry;
    private readonly Activity? _span;
    private readonly long _start;
    private GenerationResult? _result;
    private string? _error = "abandoned";

    public RequestTrace(ClientTelemetry telemetry, Activity? span, ChatOptions? options)
    {
        _telemetry = telemetry;
        _span = span is { IsAllDataRequested: true } ? span : null;
        _start = telemetry.Clock.GetTimestamp();
        Span = span;
        Set(GenAiNames.RequestMaxTokens, options?.MaxOutputTokens);
        Set(GenAiNames.RequestTemperature, options?.Temperature);
        Set(GenAiNames.RequestTopP, options?.TopP);
        Set(GenAiNames.RequestTopK, options?.TopK);
        Set(GenAiNames.RequestSeed, options?.Seed);
    }

    private Activity? Span { get; }

    /// <summary>Waits for a part of the request; keeps how it failed.</summary>
    public async ValueTask<T> Guard<T>(ValueTask<T> part)
    {
        try
        {
            return await part.ConfigureAwait(false);
        }
        catch (Exception error)
        {
            Fail(error);
            throw;
        }
    }

    /// <summary>Sees an update pass; the one with the finish reason ends the request.</summary>
    public void Note(ChatResponseUpdate update)
    {
        if (update.FinishReason is not { } reason)
            return;
        _error = null;
        _result = update.RawRepresentation as GenerationResult;
        Set(GenAiNames.ResponseId, update.ResponseId);
        Set(GenAiNames.ResponseModel, update.ModelId);
        _span?.SetTag(GenAiNames.FinishReasons, new[] { reason.Value });
        UsageDetails? usage = update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details;
        Set(GenAiNames.InputTokens, usage?.InputTokenCount);
        Set(GenAiNames.OutputTokens, usage?.OutputTokenCount);
        Set(GenAiNames.CachedTokens, usage?.CachedInputTokenCount);
        if (_result is { } result)
            Describe(result, update.ResponseId ?? "", (int)(usage?.OutputTokenCount ?? result.OutputTokens));
    }

    public void Dispose()
    {
        Set(GenAiNames.ErrorType, _error);
        _telemetry.RecordEnd(_result, _telemetry.Clock.GetElapsedTime(_start), _error);
        Span?.Dispose();
    }

    private void Describe(GenerationResult result, string id, int outputTokens)
    {
        Set(KvChatTelemetry.SpanKvsSeen, result.Kvs.Seen);
        Set(KvChatTelemetry.SpanKvsKept, result.Kvs.Kept);
        Set(KvChatTelemetry.SpanKvsEvicted, result.Kvs.Evicted);
        Set(KvChatTelemetry.SpanCompressionSeconds, result.Kvs.CompressionTime.TotalSeconds);
        Set(KvChatTelemetry.SpanTimeToFirstToken, result.TimeToFirstToken.TotalSeconds);
        Set(KvChatTelemetry.SpanPreemptions, result.Preemptions);
        Log.Answered(_telemetry.Logger, id, result.PromptTokens, result.CachedTokens, outputTokens, result.Kvs.Evicted, result.Elapsed.TotalSeconds);
    }

    private void Fail(Exception error)
    {
        _error = error.GetType().FullName;
        if (error is OperationCanceledException)
            return; // what was asked for is no fault
        _span?.SetStatus(ActivityStatusCode.Error, error.Message);
        if (error is KvQueueFullException full)
            Log.QueueFull(_telemetry.Logger, full.Queued, full.RetryAfter.TotalSeconds);
        else if (error is GenerationFailedException)
            Log.RequestFailed(_telemetry.Logger, error);
    }

    private void Set<T>(string name, T? value)
    {
        if (value is not null)
            _span?.SetTag(name, value);
    }
}
