using System.Collections.Concurrent;
using System.Diagnostics;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Telemetry;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Telemetry;

[Collection(EmbeddedClientTests.Name)]
public sealed class SpanTests : IDisposable
{
    private const string CallersName = "KvChat.Tests.Callers";

    private static readonly ActivitySource Callers = new(CallersName);

    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityListener _listener;
    private readonly KvCompressChatClient _client;

    public SpanTests(EmbeddedClient embedded)
    {
        _client = embedded.Client;
        _listener = new ActivityListener
        {
            ShouldListenTo = static s => s.Name == KvChatTelemetry.SourceName || s.Name == CallersName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public void Dispose() => _listener.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_is_a_span_under_its_callers_with_tokens_and_kvs(bool streaming)
    {
        ChatOptions options = new ChatOptions { MaxOutputTokens = 40, Temperature = 0 }.WithKvCompression(new KvCompression { RetainedRatio = 0.25 });
        using Activity caller = Callers.StartActivity("caller")!;
        ChatResponse response = streaming
            ? await _client.GetStreamingResponseAsync(EmbeddedClient.Ask(60), options).ToChatResponseAsync()
            : await _client.GetResponseAsync(EmbeddedClient.Ask(60), options);
        Assert.Same(caller, Activity.Current);
        Activity span = Under(caller);
        KvUsage usage = response.GetKvUsage()!;
        Assert.Equal(("chat kvchat-tiny-q8_0", ActivityKind.Internal, ActivityStatusCode.Unset), (span.DisplayName, span.Kind, span.Status));
        Dictionary<string, object?> expected = new()
        {
            ["gen_ai.operation.name"] = "chat", ["gen_ai.provider.name"] = "kvchat", ["gen_ai.request.model"] = "kvchat-tiny-q8_0",
            ["gen_ai.request.max_tokens"] = 40, ["gen_ai.request.temperature"] = 0f, ["gen_ai.response.model"] = "kvchat-tiny-q8_0",
            ["gen_ai.response.id"] = response.ResponseId, ["gen_ai.usage.input_tokens"] = response.Usage!.InputTokenCount,
            ["gen_ai.usage.output_tokens"] = response.Usage.OutputTokenCount, ["gen_ai.usage.cache_read.input_tokens"] = response.Usage.CachedInputTokenCount,
            [KvChatTelemetry.SpanKvsSeen] = usage.Seen, [KvChatTelemetry.SpanKvsKept] = usage.Kept, [KvChatTelemetry.SpanKvsEvicted] = usage.Evicted,
        };
        Assert.All(expected, tag => Assert.Equal(tag.Value, span.GetTagItem(tag.Key)));
        Assert.Equal(["stop"], Assert.IsType<string[]>(span.GetTagItem("gen_ai.response.finish_reasons")));
        Assert.True((double)span.GetTagItem(KvChatTelemetry.SpanTimeToFirstToken)! > 0);
        Assert.Null(span.GetTagItem("error.type"));
    }

    [Fact]
    public async Task No_text_of_messages_or_answers_is_in_a_span()
    {
        using Activity caller = Callers.StartActivity("caller")!;
        ChatResponse response = await _client.GetResponseAsync(EmbeddedClient.Ask());
        string all = string.Join(' ', Under(caller).TagObjects.Select(t => $"{t.Key}={t.Value}"));
        Assert.DoesNotContain("Dushus", all, StringComparison.Ordinal);
        Assert.DoesNotContain(response.Text.Trim(), all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_request_says_so_and_a_cancelled_one_is_no_error()
    {
        using Activity caller = Callers.StartActivity("caller")!;
        ChatOptions tooLong = new() { MaxOutputTokens = 1 << 24 };
        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => _client.GetResponseAsync(EmbeddedClient.Ask(), tooLong));
        Activity failed = Under(caller);
        Assert.Equal((ActivityStatusCode.Error, error.GetType().FullName), (failed.Status, failed.GetTagItem("error.type")));
        _ended.Clear();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetResponseAsync(EmbeddedClient.Ask(), null, new CancellationToken(true)));
        Activity cancelled = Under(caller);
        Assert.Equal(ActivityStatusCode.Unset, cancelled.Status);
        Assert.EndsWith("CanceledException", (string)cancelled.GetTagItem("error.type")!, StringComparison.Ordinal);
    }

    /// <summary>The one span that ended under the caller's; other tests make theirs at the same time.</summary>
    private Activity Under(Activity caller) => Assert.Single(_ended, a => a.ParentSpanId == caller.SpanId && a.TraceId == caller.TraceId);
}
