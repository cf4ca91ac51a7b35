using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

[Collection(EmbeddedClientTests.Name)]
public sealed class KvCompressChatClientTests(EmbeddedClient embedded)
{
    private KvCompressChatClient Client => embedded.Client;

    [Fact]
    public async Task The_embedded_model_finds_a_fact()
    {
        ChatResponse response = await Client.GetResponseAsync(EmbeddedClient.Ask());
        Assert.Equal(EmbeddedClient.Answer, response.Text.Trim());
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal("kvchat-tiny-q8_0", response.ModelId);
    }

    [Fact]
    public async Task Instructions_say_what_a_system_message_says()
    {
        ChatResponse system = await Client.GetResponseAsync(EmbeddedClient.Ask());
        ChatResponse instructions = await Client.GetResponseAsync(EmbeddedClient.Ask().Skip(1), new ChatOptions { Instructions = EmbeddedClient.System });
        Assert.Equal(system.Text, instructions.Text);
        Assert.Equal(system.Usage!.InputTokenCount, instructions.Usage!.InputTokenCount);
    }

    [Theory]
    [InlineData("mill")]
    [InlineData("ll is 12")]
    [InlineData("e")]
    [InlineData("1202-1238.")]
    public async Task A_stop_sequence_ends_the_answer_before_it_across_token_borders(string stop)
    {
        ChatOptions options = new() { StopSequences = ["never there", stop] };
        ChatResponse response = await Client.GetResponseAsync(EmbeddedClient.Ask(), options);
        Assert.Equal(EmbeddedClient.Answer[..EmbeddedClient.Answer.IndexOf(stop, StringComparison.Ordinal)], response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.True(response.GetKvUsage()!.Seen > 0);
        string streamed = "";
        await foreach (ChatResponseUpdate update in Client.GetStreamingResponseAsync(EmbeddedClient.Ask(), options))
            streamed += update.Text;
        Assert.Equal(response.Text, streamed);
    }

    [Fact]
    public async Task A_partial_match_is_released_at_the_end()
    {
        ChatResponse response = await Client.GetResponseAsync(EmbeddedClient.Ask(), new ChatOptions { StopSequences = ["1238. And then"] });
        Assert.Equal(EmbeddedClient.Answer, response.Text.Trim());
    }

    [Fact]
    public async Task The_answer_is_as_long_as_allowed()
    {
        ChatResponse response = await Client.GetResponseAsync(EmbeddedClient.Ask(), new ChatOptions { MaxOutputTokens = 3 });
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.Equal(3, response.Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_answer()
    {
        ChatOptions options = new() { Temperature = 2, Seed = 7, MaxOutputTokens = 16 };
        string first = (await Client.GetResponseAsync(EmbeddedClient.Ask(4), options)).Text;
        Assert.Equal(first, (await Client.GetResponseAsync(EmbeddedClient.Ask(4), options)).Text);
        string[] others = await Task.WhenAll(Enumerable.Range(8, 8).Select(async seed =>
            (await Client.GetResponseAsync(EmbeddedClient.Ask(4), new ChatOptions { Temperature = 2, Seed = seed, MaxOutputTokens = 16 })).Text));
        Assert.Contains(others, o => o != first);
    }

    [Fact]
    public async Task Usage_counts_kvs_and_without_compression_none_is_evicted()
    {
        ChatResponse response = await Client.GetResponseAsync(EmbeddedClient.Ask(), new ChatOptions().WithKvCompression(KvCompression.Off));
        KvUsage usage = response.GetKvUsage()!;
        var model = (LoadedModel)Client.GetService(typeof(LoadedModel))!;
        int heads = model.Configuration.Layers * model.Configuration.KvHeads;
        Assert.Equal((response.Usage!.InputTokenCount + response.Usage.OutputTokenCount) * heads, usage.Seen);
        Assert.Equal((usage.Seen, 0, 1.0), (usage.Kept, usage.Evicted, usage.RetainedRatio));
        Assert.True(usage.Bytes > 0 && usage.PeakBytes >= usage.Bytes);
        Assert.Equal(heads, usage.KeptPerHead!.Count);
        Assert.Equal(usage.Kept, response.Usage.AdditionalCounts![KvUsageNames.Kept]);
    }

    [Theory]
    [InlineData(CompressionSchedule.AfterPrompt)]
    [InlineData(CompressionSchedule.WhileReading)]
    public async Task Compression_is_settable_per_request_typed_and_by_name(CompressionSchedule schedule)
    {
        ChatOptions typed = new ChatOptions().WithKvCompression(new KvCompression { RetainedRatio = 0.25, Schedule = schedule });
        ChatOptions named = new() { AdditionalProperties = new() { ["kv_retained_ratio"] = "0.25", ["kv_schedule"] = schedule.ToString() } };
        ChatResponse first = await Client.GetResponseAsync(EmbeddedClient.Ask(60), typed);
        ChatResponse second = await Client.GetResponseAsync(EmbeddedClient.Ask(60), named);
        Assert.Equal(first.Text, second.Text);
        KvUsage usage = first.GetKvUsage()!;
        Assert.True(usage.Evicted > 0 && usage.Kept + usage.Evicted == usage.Seen, usage.ToString());
        Assert.Equal(usage.Kept, second.GetKvUsage()!.Kept);
        Assert.InRange(usage.RetainedRatio, 0.1, 0.5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0.25)]
    public async Task The_second_turn_reads_nothing_of_the_first_again(double ratio)
    {
        using KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions
        {
            CacheBytes = 64 << 20,
            Compression = ratio < 1 ? new KvCompression { RetainedRatio = ratio } : KvCompression.Off,
        });
        List<ChatMessage> history = EmbeddedClient.Ask(60);
        ChatResponse first = await client.GetResponseAsync(history);
        history.AddMessages(first);
        history.Add(new ChatMessage(ChatRole.User, "What is the serial number of the Quabran pump?"));
        ChatResponse second = await client.GetResponseAsync(history);
        Assert.Equal(0, first.Usage!.CachedInputTokenCount);
        Assert.Equal(first.Usage.InputTokenCount + first.Usage.OutputTokenCount, second.Usage!.CachedInputTokenCount);
    }

    [Fact]
    public async Task Special_tokens_in_a_message_are_counted_as_text()
    {
        ChatOptions options = new() { MaxOutputTokens = 1 };
        ChatResponse special = await Client.GetResponseAsync([new ChatMessage(ChatRole.User, "a<|im_end|>b")], options);
        ChatResponse without = await Client.GetResponseAsync([new ChatMessage(ChatRole.User, "ab")], options);
        Assert.True(special.Usage!.InputTokenCount >= without.Usage!.InputTokenCount + 4, "a special token would be a single one");
    }

    [Fact]
    public async Task A_prompt_is_refused_rather_than_cut()
    {
        using KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 8 << 20, ContextTokens = 256 });
        KvCapacityException error = await Assert.ThrowsAsync<KvCapacityException>(() => client.GetResponseAsync(EmbeddedClient.Ask(60)));
        Assert.Equal(256, error.Available);
        Assert.True(error.Needed > 256);
        Assert.NotEmpty((await client.GetResponseAsync(EmbeddedClient.Ask(4))).Text);
    }

    [Fact]
    public async Task Breaking_a_stream_off_frees_the_engine()
    {
        KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 16 << 20, MaxSequences = 1, HoldFinishedSequences = false });
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        ChatOptions endless = new() { Temperature = 100, Seed = 3 };
        await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(EmbeddedClient.Ask(4), endless))
            break;
        ChatResponse next = await client.GetResponseAsync(EmbeddedClient.Ask(4)); // waits until the only place is free
        Assert.NotNull(next.FinishReason);
        await client.DisposeAsync();
        EngineStatistics end = engine.GetStatistics(); // final, once the engine has ended
        Assert.Equal((0, 0, end.TotalPages), (end.Running, end.Waiting, end.FreePages));
    }

    [Fact]
    public async Task Disposal_ends_requests_in_flight_and_later_ones_are_refused()
    {
        KvCompressChatClient client = KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = 16 << 20 });
        await using IAsyncEnumerator<ChatResponseUpdate> stream =
            client.GetStreamingResponseAsync(EmbeddedClient.Ask(4), new ChatOptions { Temperature = 100, Seed = 3 }).GetAsyncEnumerator();
        Assert.True(await stream.MoveNextAsync());
        await client.DisposeAsync();
        await client.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await stream.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync(EmbeddedClient.Ask(4)));
        Assert.Null(client.GetService(typeof(InferenceEngine)));
    }

    [Fact]
    public async Task A_client_that_was_never_used_loads_nothing()
    {
        var client = new KvCompressChatClient(new KvCompressChatOptions());
        Assert.Null(client.GetService(typeof(InferenceEngine)));
        Assert.Null(client.GetService(typeof(LoadedModel)));
        Assert.NotNull(client.GetService(typeof(ChatClientMetadata)));
        await client.DisposeAsync();
    }

    [Fact]
    public async Task A_file_that_is_no_model_is_told_to_every_call()
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, "This is no model.");
            using var client = new KvCompressChatClient(new KvCompressChatOptions { Model = path });
            await Assert.ThrowsAsync<ModelFileException>(() => client.GetResponseAsync([new ChatMessage(ChatRole.User, "x")]));
            await Assert.ThrowsAsync<ModelFileException>(() => client.EnsureLoadedAsync());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task What_is_not_supported_fails_before_anything_is_read()
    {
        await Assert.ThrowsAsync<NotSupportedException>(() => Client.GetResponseAsync(EmbeddedClient.Ask(), new ChatOptions { ConversationId = "1" }));
        ChatMessage picture = new(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]);
        await Assert.ThrowsAsync<NotSupportedException>(() => Client.GetResponseAsync([picture]));
    }
}
