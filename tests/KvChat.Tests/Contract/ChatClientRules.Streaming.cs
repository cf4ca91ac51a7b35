using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>What updates and responses carry.</summary>
public static partial class ChatClientRules
{
    public static async Task Every_update_carries_role_ids_time_and_model(ContractSubject s)
    {
        List<ChatResponseUpdate> updates = await s.Updates(s.Greedy());
        Assert.NotEmpty(updates);
        Assert.All(updates, u =>
        {
            Assert.Equal(ChatRole.Assistant, u.Role);
            Assert.False(string.IsNullOrEmpty(u.ResponseId) || string.IsNullOrEmpty(u.MessageId) || string.IsNullOrEmpty(u.ModelId));
            Assert.NotNull(u.CreatedAt);
            Assert.Equal((updates[0].ResponseId, updates[0].MessageId, updates[0].CreatedAt, updates[0].ModelId), (u.ResponseId, u.MessageId, u.CreatedAt, u.ModelId));
        });
        Assert.NotEqual(updates[0].ResponseId, (await s.Updates(s.Greedy()))[0].ResponseId);
    }

    public static async Task A_client_without_history_gives_no_conversation_id(ContractSubject s)
    {
        Assert.All(await s.Updates(s.Greedy()), u => Assert.Null(u.ConversationId));
        Assert.Null((await s.Answer(s.Greedy())).ConversationId);
        await Refused(s, nameof(ChatOptions.ConversationId), new ChatOptions { ConversationId = "1" });
    }

    public static async Task Usage_comes_once_and_late_and_adds_up(ContractSubject s)
    {
        List<ChatResponseUpdate> updates = await s.Updates(s.Greedy());
        UsageContent usage = Assert.Single(updates.SelectMany(u => u.Contents).OfType<UsageContent>());
        Assert.Contains(usage, updates[^1].Contents);
        Assert.True(usage.Details.InputTokenCount > 0 && usage.Details.OutputTokenCount > 0);
        Assert.Equal(usage.Details.InputTokenCount + usage.Details.OutputTokenCount, usage.Details.TotalTokenCount);
    }

    public static async Task The_finish_reason_comes_once_and_last(ContractSubject s)
    {
        List<ChatResponseUpdate> updates = await s.Updates(s.Greedy());
        Assert.Same(updates[^1], Assert.Single(updates, u => u.FinishReason is not null));
    }

    public static async Task Text_comes_piece_by_piece(ContractSubject s) =>
        Assert.True((await s.Updates(s.Greedy(null))).Count(u => u.Text.Length > 0) > 2, "the answer came in one piece");

    public static async Task Appended_updates_make_one_message_with_one_text(ContractSubject s)
    {
        List<ChatMessage> history = s.Ask();
        int before = history.Count;
        history.AddMessages(await s.Updates(s.Greedy(), s.Ask()));
        ChatMessage added = Assert.Single(history.Skip(before));
        Assert.Equal(ChatRole.Assistant, added.Role);
        Assert.IsType<TextContent>(Assert.Single(added.Contents));
    }

    public static async Task A_response_equals_the_updates_together(ContractSubject s)
    {
        ChatResponse streamed = (await s.Updates(s.Greedy())).ToChatResponse();
        ChatResponse whole = await s.Answer(s.Greedy());
        Assert.Equal((streamed.Text, streamed.FinishReason, streamed.ModelId), (whole.Text, whole.FinishReason, whole.ModelId));
        Assert.Equal(streamed.Usage!.OutputTokenCount, whole.Usage!.OutputTokenCount);
        Assert.False(string.IsNullOrEmpty(whole.ResponseId));
        Assert.NotNull(whole.CreatedAt);
        ChatMessage message = Assert.Single(whole.Messages);
        Assert.Equal(ChatRole.Assistant, message.Role);
        Assert.False(string.IsNullOrEmpty(message.MessageId));
    }

    /// <summary>Caching middleware writes responses as JSON and reads them again.</summary>
    public static async Task A_response_survives_json(ContractSubject s)
    {
        ChatResponse response = await s.Answer(s.Greedy());
        string json = JsonSerializer.Serialize(response, AIJsonUtilities.DefaultOptions);
        ChatResponse back = JsonSerializer.Deserialize<ChatResponse>(json, AIJsonUtilities.DefaultOptions)!;
        Assert.Equal((response.Text, response.ResponseId, response.FinishReason), (back.Text, back.ResponseId, back.FinishReason));
        Assert.Equal(response.Usage!.TotalTokenCount, back.Usage!.TotalTokenCount);
        Assert.Equal(response.Usage.AdditionalCounts, back.Usage.AdditionalCounts);
    }

    public static async Task A_conversation_goes_on_with_its_answers(ContractSubject s)
    {
        List<ChatMessage> history = s.Ask();
        ChatResponse first = await s.Answer(s.Greedy(null), [.. history]);
        history.AddMessages(first);
        history.AddRange(s.Ask()[^1..]);
        ChatResponse second = await s.Answer(s.Greedy(), history);
        Assert.True(second.Usage!.InputTokenCount > first.Usage!.InputTokenCount + first.Usage.OutputTokenCount, "the history was not read");
        Assert.NotNull(second.FinishReason);
    }

    public static async Task Length_and_stop_are_told_apart(ContractSubject s)
    {
        Assert.Equal(ChatFinishReason.Length, (await s.Answer(s.Greedy(2))).FinishReason);
        Assert.Equal(ChatFinishReason.Stop, (await s.Answer(s.Greedy(null))).FinishReason);
    }

    private static async Task Refused(ContractSubject s, string name, ChatOptions options)
    {
        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => s.Answer(options));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<NotSupportedException>(() => s.Updates(options));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }
}
