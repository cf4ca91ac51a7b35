using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace KvChat.Middleware.Tests;

/// <summary>The middleware of Microsoft.Extensions.AI around the client.</summary>
[Collection(SharedClientTests.Name)]
public sealed class MiddlewareTests(SharedClient shared)
{
    private const string Request = "Find the ticket of C8-7040.";

    [Fact]
    public async Task Function_invocation_calls_and_answers()
    {
        List<string> asked = [];
        using IChatClient client = Keep(shared.Client).AsBuilder().UseFunctionInvocation().Build();
        ChatResponse response = await client.GetResponseAsync(Request, new ChatOptions { Tools = [SharedClient.Tickets(asked)] });
        Assert.Equal(["C8-7040"], asked);
        Assert.Contains("4471", response.Text, StringComparison.Ordinal);
        Assert.Equal([ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], response.Messages.Select(m => m.Role));
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
    }

    [Fact]
    public async Task Function_invocation_in_a_stream_leaves_a_history_that_can_go_on()
    {
        List<string> asked = [];
        using IChatClient client = Keep(shared.Client).AsBuilder().UseFunctionInvocation().Build();
        List<ChatMessage> history = [new(ChatRole.User, Request)];
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(history, new ChatOptions { Tools = [SharedClient.Tickets(asked)] }))
            updates.Add(update);
        history.AddMessages(updates);
        Assert.Equal([ChatRole.User, ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], history.Select(m => m.Role));
        Assert.Contains("4471", history[^1].Text, StringComparison.Ordinal);
        history.Add(new ChatMessage(ChatRole.User, "Find the ticket of B1-2222."));
        await client.GetResponseAsync(history, new ChatOptions { Tools = [SharedClient.Tickets(asked)] });
        Assert.Equal(["C8-7040", "B1-2222"], asked);
    }

    [Fact]
    public async Task OpenTelemetry_puts_its_span_around_the_engines()
    {
        List<Activity> spans = [];
        using TracerProvider tracing = Sdk.CreateTracerProviderBuilder().AddSource("middleware", "KvChat").AddProcessor(new SimpleActivityExportProcessor(new ListExporter(spans))).Build();
        using IChatClient client = Keep(shared.Client).AsBuilder().UseOpenTelemetry(sourceName: "middleware", configure: o => o.EnableSensitiveData = true).Build();
        ChatResponse response = await client.GetResponseAsync(SharedClient.Ask(), new ChatOptions { Temperature = 0.5f, Seed = 3 });
        Activity outer = Assert.Single(spans, s => s.Source.Name == "middleware"), inner = Assert.Single(spans, s => s.Source.Name == "KvChat");
        Assert.Equal(outer.SpanId, inner.ParentSpanId);
        Assert.Equal("kvchat", outer.GetTagItem("gen_ai.provider.name"));
        Assert.Equal((int)response.Usage!.OutputTokenCount!, Convert.ToInt32(outer.GetTagItem("gen_ai.usage.output_tokens"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.Contains("Dushus", (string)outer.GetTagItem("gen_ai.output.messages")!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cache_answers_the_second_time_with_the_same_text_and_usage(bool streams)
    {
        using IChatClient client = Keep(shared.Client).AsBuilder().UseDistributedCache(Cache()).Build();
        ChatOptions options = new() { MaxOutputTokens = 30, AdditionalProperties = new() { ["kv_retained_ratio"] = 0.5 } };
        ChatResponse first = await Answer(client, options, streams);
        long made = shared.Generated;
        ChatResponse second = await Answer(client, options, streams);
        Assert.Equal(made, shared.Generated);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal(first.Usage!.TotalTokenCount, second.Usage!.TotalTokenCount);
        Assert.Equal(first.Usage.AdditionalCounts!.OrderBy(c => c.Key), second.Usage.AdditionalCounts!.OrderBy(c => c.Key));
        options.MaxOutputTokens = 31;
        await Answer(client, options, streams);
        Assert.True(shared.Generated > made);
    }

    [Fact]
    public async Task A_cache_knows_prepared_documents()
    {
        using KvDocument document = await shared.Client.PrepareDocumentAsync(SharedClient.Document(12));
        using var client = new DistributedCachingChatClient(Keep(shared.Client), Cache()) { JsonSerializerOptions = new System.Text.Json.JsonSerializerOptions(AIJsonUtilities.DefaultOptions).AddKvDocuments() };
        List<ChatMessage> ask = [new(ChatRole.User, [document.AsContent(), new TextContent(SharedClient.Question)])];
        Assert.Equal(SharedClient.Answer, (await client.GetResponseAsync(ask)).Text);
        long made = shared.Generated;
        Assert.Equal(SharedClient.Answer, (await client.GetResponseAsync(ask)).Text);
        Assert.Equal(made, shared.Generated);
    }

    [Fact]
    public async Task Logging_tells_requests_and_answers_in_full()
    {
        var log = new ListLog();
        using ILoggerFactory factory = LoggerFactory.Create(b => b.AddProvider(log).SetMinimumLevel(LogLevel.Trace));
        using IChatClient client = Keep(shared.Client).AsBuilder().UseLogging(factory).Build();
        Assert.Equal(SharedClient.Answer, (await client.GetResponseAsync(SharedClient.Ask(), new ChatOptions { Tools = [SharedClient.Tickets([])], ToolMode = ChatToolMode.None })).Text);
        Assert.Contains(log.Lines, l => l.Contains(SharedClient.Question, StringComparison.Ordinal));
        Assert.Contains(log.Lines, l => l.Contains("GetResponseAsync completed", StringComparison.Ordinal) && l.Contains("1202-1238", StringComparison.Ordinal));
        await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync("Hello", new ChatOptions { ConversationId = "1" }));
        Assert.Contains(log.Lines, l => l.Contains("failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task All_together_serve_many_users_at_once()
    {
        List<string> asked = [];
        using ILoggerFactory factory = LoggerFactory.Create(b => b.AddProvider(new ListLog()).SetMinimumLevel(LogLevel.Trace));
        using IChatClient client = Keep(shared.Client).AsBuilder().UseLogging(factory).UseOpenTelemetry(factory).UseDistributedCache(Cache()).UseFunctionInvocation(factory).Build();
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 6).Select(async i => (await client.GetResponseAsync(SharedClient.Ask(6 + i))).Text));
        Assert.All(texts, t => Assert.Equal(SharedClient.Answer, t));
        Assert.Contains("4471", (await client.GetResponseAsync(Request, new ChatOptions { Tools = [SharedClient.Tickets(asked)] })).Text, StringComparison.Ordinal);
        Assert.Same(shared.Client, client.GetService<KvCompressChatClient>());
        Assert.Equal("kvchat", client.GetService<ChatClientMetadata>()!.ProviderName);
    }

    private static MemoryDistributedCache Cache() => new(Options.Create(new MemoryDistributedCacheOptions()));

    private static async Task<ChatResponse> Answer(IChatClient client, ChatOptions options, bool streams) => streams
        ? await client.GetStreamingResponseAsync(SharedClient.Ask(), options).ToChatResponseAsync()
        : await client.GetResponseAsync(SharedClient.Ask(), options);

    /// <summary>Pipelines dispose what they wrap; the shared client outlives them.</summary>
    private static IChatClient Keep(IChatClient client) => new Kept(client);

    private sealed class Kept(IChatClient inner) : DelegatingChatClient(inner)
    {
        protected override void Dispose(bool disposing) => base.Dispose(false);
    }

    private sealed class ListExporter(List<Activity> spans) : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch)
        {
            foreach (Activity span in batch)
                spans.Add(span);
            return ExportResult.Success;
        }
    }

    private sealed class ListLog : ILoggerProvider, ILogger
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
