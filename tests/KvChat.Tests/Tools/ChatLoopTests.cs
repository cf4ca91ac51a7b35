using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Tools;

/// <summary>Loops as applications write them by hand: call, run, send the result back, until the model answers.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class ChatLoopTests(EmbeddedClient shared)
{
    private static readonly AIFunction s_ticket = AIFunctionFactory.Create((string code) => $"T-{code}", "find_ticket", "Find the ticket of something.");
    private static readonly AIFunction s_stock = AIFunctionFactory.Create((string item) => 17, "count_stock", "Count the stock of something.");

    [Fact]
    public async Task Five_users_call_two_tools_at_once_and_each_gets_what_one_alone_gets()
    {
        string[] asked = ["Find the ticket of C8-7040.", "Count the stock of E9-1111.", "Find the ticket of B1-2222.", "Count the stock of A4-0001.", "Find the ticket of D2-9000."];
        List<string> alone = [];
        foreach (string one in asked)
            alone.Add(await Loop(one));
        string[] together = await Task.WhenAll(asked.Select(Loop));
        Assert.Equal(alone, together);
        Assert.All(alone, a => Assert.Contains("called", a, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_call_that_is_cancelled_in_its_middle_leaves_nothing_behind()
    {
        using KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 16 << 20, HoldFinishedSequences = false });
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        ChatOptions options = new() { Tools = [s_ticket, s_stock], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        using var cancellation = new CancellationTokenSource();
        Task<ChatResponse> answer = client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options, cancellation.Token);
        while (engine.GetStatistics().GeneratedTokens < 2 && !answer.IsCompleted)
            await Task.Yield();
        await cancellation.CancelAsync();
        if (!answer.IsCompletedSuccessfully)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);

        // The engine goes on, and holds no page of what was cancelled.
        ChatResponse next = await client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options);
        Assert.Equal(ChatFinishReason.ToolCalls, next.FinishReason);
        EngineStatistics after = engine.GetStatistics();
        while (after.Running > 0)
            after = engine.GetStatistics();
        Assert.Equal((0, 0), (after.Running, after.Waiting));
    }

    [Fact]
    public async Task Breaking_a_stream_off_before_its_call_ends_the_request()
    {
        ChatOptions options = new() { Tools = [s_ticket], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        await foreach (ChatResponseUpdate update in shared.Client.GetStreamingResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options))
        {
            Assert.DoesNotContain("tool_call", update.Text, StringComparison.Ordinal);
            break;
        }

        Assert.Equal(ChatFinishReason.ToolCalls, (await shared.Client.GetResponseAsync([new(ChatRole.User, "Find the ticket of C8-7040.")], options)).FinishReason);
    }

    [Fact]
    public async Task A_loop_of_ten_calls_over_a_document_of_4000_tokens_reads_it_once()
    {
        using KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 64 << 20, Compression = KvCompression.Off });
        string document = EmbeddedClient.Document(230);
        List<ChatMessage> history = [new(ChatRole.User, $"{document}\n\nFind the ticket of C8-7040.")];
        ChatOptions options = new() { Tools = [s_ticket], ToolMode = ChatToolMode.RequireAny, AllowMultipleToolCalls = false, Temperature = 0, MaxOutputTokens = 200 };
        long read = 0, first = 0;
        for (int call = 0; call < 10; call++)
        {
            ChatResponse response = await client.GetResponseAsync(history, options);
            long input = response.Usage!.InputTokenCount!.Value, cached = response.Usage.CachedInputTokenCount ?? 0;
            Assert.True(call > 0 || input >= 4000, $"the prompt had {input} tokens");
            first = call == 0 ? input : first;
            read += input - cached;
            FunctionCallContent made = Assert.Single(response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>());
            history.AddRange(response.Messages);
            history.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(made.CallId, $"ticket {call}")]));
        }

        Assert.True(read < first + 2000, $"{read} tokens were read, of which the first prompt had {first}");
    }

    [Fact]
    public async Task History_with_calls_of_another_provider_is_read()
    {
        List<ChatMessage> history =
        [
            new(ChatRole.User, "Find the ticket of C8-7040."),
            new(ChatRole.Assistant, [new FunctionCallContent("call_Zq8-of another/provider:7", "find_ticket", new Dictionary<string, object?> { ["code"] = "C8-7040" })]),
            new(ChatRole.Tool, [new FunctionResultContent("call_Zq8-of another/provider:7", new { ticket = 4471 })]),
        ];
        ChatResponse answer = await shared.Client.GetResponseAsync(history, new ChatOptions { Tools = [s_ticket], Temperature = 0, MaxOutputTokens = 60 });
        Assert.NotNull(answer.FinishReason);

        long Input(object? result, Exception? error = null)
        {
            history[2] = new(ChatRole.Tool, [new FunctionResultContent("call_Zq8-of another/provider:7", result) { Exception = error }]);
            return shared.Client.GetResponseAsync(history, new ChatOptions { MaxOutputTokens = 1 }).GetAwaiter().GetResult().Usage!.InputTokenCount!.Value;
        }

        Assert.True(Input("a much longer result than the other one was") > Input("short"));
        Assert.True(Input(null, new InvalidOperationException("the ticket office is closed on Sundays")) > Input("short"));
    }

    /// <summary>What was called and said, in one line.</summary>
    private async Task<string> Loop(string asked)
    {
        List<ChatMessage> history = [new(ChatRole.User, asked)];
        ChatOptions options = new() { Tools = [s_ticket, s_stock], Temperature = 0, MaxOutputTokens = 120, ToolMode = ChatToolMode.RequireAny, AllowMultipleToolCalls = false };
        string done = "";
        for (int turn = 0; turn < 2; turn++)
        {
            List<ChatResponseUpdate> updates = [];
            await foreach (ChatResponseUpdate update in shared.Client.GetStreamingResponseAsync(history, options))
                updates.Add(update);
            ChatResponse response = updates.ToChatResponse();
            history.AddRange(response.Messages);
            List<AIContent> results = [];
            foreach (FunctionCallContent call in response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>())
            {
                AIFunction tool = call.Name == s_ticket.Name ? s_ticket : s_stock;
                object? result = await tool.InvokeAsync(new AIFunctionArguments(call.Arguments));
                results.Add(new FunctionResultContent(call.CallId, result));
                done += $"called {call.Name}: {result}; ";
            }

            if (results.Count == 0)
                return done + response.Text;
            history.Add(new ChatMessage(ChatRole.Tool, results));
            options.ToolMode = ChatToolMode.None;
        }

        return done;
    }
}
