using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

/// <summary>What any <see cref="IChatClient"/> over a deterministic text model must do. Derive, and give the client.</summary>
public abstract class ChatClientContract
{
    protected abstract IChatClient Client { get; }

    private static ChatOptions Short => new() { MaxOutputTokens = 8, Temperature = 0 };

    [Fact]
    public async Task Null_messages_throw_at_once()
    {
        // Not only when the enumeration begins.
        Assert.Throws<ArgumentNullException>("messages", () => { _ = Client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!); });
        await Assert.ThrowsAsync<ArgumentNullException>("messages", () => Client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    [Fact]
    public void Services_follow_the_rules()
    {
        Assert.Throws<ArgumentNullException>("serviceType", () => Client.GetService(null!));
        Assert.Null(Client.GetService(typeof(ChatClientMetadata), "key"));
        Assert.Null(Client.GetService(typeof(Uri)));
        Assert.Same(Client, Client.GetService(Client.GetType()));
        Assert.NotNull(Client.GetService(typeof(IChatClient)));
        var metadata = Assert.IsType<ChatClientMetadata>(Client.GetService(typeof(ChatClientMetadata)));
        Assert.Equal(metadata.ProviderName!.ToLowerInvariant(), metadata.ProviderName);
        Assert.False(string.IsNullOrEmpty(metadata.DefaultModelId));
    }

    [Fact]
    public async Task Every_update_carries_role_ids_time_and_model()
    {
        List<ChatResponseUpdate> updates = await Updates(EmbeddedClient.Ask(), Short);
        Assert.NotEmpty(updates);
        Assert.All(updates, u =>
        {
            Assert.Equal(ChatRole.Assistant, u.Role);
            Assert.Equal(updates[0].ResponseId, u.ResponseId);
            Assert.Equal(updates[0].MessageId, u.MessageId);
            Assert.Equal(updates[0].CreatedAt, u.CreatedAt);
            Assert.Equal(updates[0].ModelId, u.ModelId);
            Assert.False(string.IsNullOrEmpty(u.ResponseId) || string.IsNullOrEmpty(u.MessageId) || string.IsNullOrEmpty(u.ModelId));
            Assert.NotNull(u.CreatedAt);
            Assert.Null(u.ConversationId);
        });
        Assert.NotEqual(updates[0].ResponseId, (await Updates(EmbeddedClient.Ask(), Short))[0].ResponseId);
    }

    [Fact]
    public async Task Usage_and_finish_reason_come_once_and_last()
    {
        List<ChatResponseUpdate> updates = await Updates(EmbeddedClient.Ask(), Short);
        UsageContent usage = Assert.Single(updates.SelectMany(u => u.Contents).OfType<UsageContent>());
        Assert.Contains(usage, updates[^1].Contents);
        Assert.NotNull(Assert.Single(updates, u => u.FinishReason is not null).FinishReason);
        Assert.Equal(usage.Details.InputTokenCount + usage.Details.OutputTokenCount, usage.Details.TotalTokenCount);
        Assert.True(usage.Details.InputTokenCount > 0 && usage.Details.OutputTokenCount > 0);
    }

    [Fact]
    public async Task Appended_updates_make_one_message_with_one_text()
    {
        List<ChatMessage> history = EmbeddedClient.Ask();
        int before = history.Count;
        history.AddMessages(await Updates(history, Short));
        ChatMessage added = Assert.Single(history.Skip(before));
        Assert.Equal(ChatRole.Assistant, added.Role);
        Assert.IsType<TextContent>(Assert.Single(added.Contents));
    }

    [Fact]
    public async Task A_response_equals_the_updates_together()
    {
        ChatResponse streamed = (await Updates(EmbeddedClient.Ask(), Short)).ToChatResponse();
        ChatResponse whole = await Client.GetResponseAsync(EmbeddedClient.Ask(), Short);
        Assert.Equal(streamed.Text, whole.Text);
        Assert.Equal(streamed.FinishReason, whole.FinishReason);
        Assert.Equal(streamed.ModelId, whole.ModelId);
        Assert.Equal(streamed.Usage!.OutputTokenCount, whole.Usage!.OutputTokenCount);
        Assert.NotNull(whole.ResponseId);
        Assert.NotNull(whole.CreatedAt);
        Assert.NotNull(Assert.Single(whole.Messages).MessageId);
    }

    [Fact]
    public async Task Null_options_and_empty_contents_are_fine()
    {
        ChatMessage[] messages = [new(ChatRole.User, []), new(ChatRole.User, EmbeddedClient.Document(3) + "\n\n" + EmbeddedClient.Question)];
        Assert.NotNull((await Client.GetResponseAsync(messages, null)).FinishReason);
    }

    [Fact]
    public async Task Concurrent_calls_do_not_mix()
    {
        string[] questions = [EmbeddedClient.Question, "What is the serial number of the Quabran pump?", "Who is Noor?", "What is the colour?"];
        string[] alone = new string[questions.Length];
        for (int i = 0; i < questions.Length; i++)
            alone[i] = (await Client.GetResponseAsync(EmbeddedClient.Ask(6, questions[i]), Short)).Text;
        ChatResponse[] together = await Task.WhenAll(questions.Select(q => Client.GetResponseAsync(EmbeddedClient.Ask(6, q), Short)));
        Assert.Equal(alone, together.Select(r => r.Text));
    }

    [Fact]
    public async Task Neither_options_nor_messages_are_changed()
    {
        ChatOptions options = new() { MaxOutputTokens = 2, StopSequences = ["x"], Instructions = "Be short.", AdditionalProperties = new() { ["min_p"] = 0.1 } };
        List<ChatMessage> messages = EmbeddedClient.Ask(3);
        string before = Json(options) + JsonSerializer.Serialize(messages, AIJsonUtilities.DefaultOptions);
        await Client.GetResponseAsync(messages, options);
        Assert.Equal(before, Json(options) + JsonSerializer.Serialize(messages, AIJsonUtilities.DefaultOptions));

        static string Json(ChatOptions options) => JsonSerializer.Serialize(options, AIJsonUtilities.DefaultOptions);
    }

    [Fact]
    public async Task A_cancelled_token_ends_the_call()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Client.GetResponseAsync(EmbeddedClient.Ask(), Short, cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in Client.GetStreamingResponseAsync(EmbeddedClient.Ask(), Short, cancelled.Token))
            {
            }
        });
    }

    [Fact]
    public async Task Cancelling_between_two_updates_ends_the_stream()
    {
        using var source = new CancellationTokenSource();
        int updates = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in Client.GetStreamingResponseAsync(EmbeddedClient.Ask(), new ChatOptions { StopSequences = [] }, source.Token))
            {
                if (updates++ == 0)
                    await source.CancelAsync();
            }

            source.Token.ThrowIfCancellationRequested(); // the answer may have been complete already
        });
        Assert.True(updates > 0);
    }

    private async Task<List<ChatResponseUpdate>> Updates(IEnumerable<ChatMessage> messages, ChatOptions options)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in Client.GetStreamingResponseAsync(messages, options))
            updates.Add(update);
        return updates;
    }
}
