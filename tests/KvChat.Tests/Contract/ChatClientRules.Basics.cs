using System.Text.Json;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Contract;

/// <summary>Calls, services, contents, concurrency, cancellation.</summary>
public static partial class ChatClientRules
{
    public static async Task Null_messages_throw_at_once(ContractSubject s)
    {
        // Not only when the enumeration begins.
        Assert.Throws<ArgumentNullException>("messages", () => { _ = s.Client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!); });
        await Assert.ThrowsAsync<ArgumentNullException>("messages", () => s.Client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    public static Task Services_follow_the_rules(ContractSubject s)
    {
        Assert.Throws<ArgumentNullException>("serviceType", () => s.Client.GetService(null!));
        Assert.Null(s.Client.GetService(typeof(ChatClientMetadata), "key"));
        Assert.Null(s.Client.GetService(typeof(Uri)));
        Assert.Same(s.Client, s.Client.GetService(s.Client.GetType()));
        Assert.NotNull(s.Client.GetService(typeof(IChatClient)));
        return Task.CompletedTask;
    }

    public static Task Metadata_name_the_provider_in_lower_case_and_the_model(ContractSubject s)
    {
        var metadata = Assert.IsType<ChatClientMetadata>(s.Client.GetService(typeof(ChatClientMetadata)), exactMatch: false);
        Assert.False(string.IsNullOrEmpty(metadata.ProviderName));
        Assert.Equal(metadata.ProviderName.ToLowerInvariant(), metadata.ProviderName);
        Assert.False(string.IsNullOrEmpty(metadata.DefaultModelId));
        return Task.CompletedTask;
    }

    public static async Task Null_options_and_empty_contents_are_fine(ContractSubject s)
    {
        List<ChatMessage> messages = s.Ask();
        messages.Insert(messages.Count - 1, new ChatMessage(ChatRole.User, []));
        Assert.NotNull((await s.Client.GetResponseAsync(messages, null)).FinishReason);
        Assert.NotNull((await s.Client.GetResponseAsync([new ChatMessage(ChatRole.User, "")], s.Greedy(2))).FinishReason);
    }

    public static async Task Messages_are_enumerated_once(ContractSubject s)
    {
        Assert.NotNull((await s.Client.GetResponseAsync(Once(s.Ask()), s.Greedy(2))).FinishReason);
        await foreach (ChatResponseUpdate _ in s.Client.GetStreamingResponseAsync(Once(s.Ask()), s.Greedy(2)))
        {
        }

        static IEnumerable<ChatMessage> Once(List<ChatMessage> messages)
        {
            bool used = false;
            return Enumerate();

            IEnumerable<ChatMessage> Enumerate()
            {
                Assert.False(used, "the messages were enumerated twice");
                used = true;
                foreach (ChatMessage message in messages)
                    yield return message;
            }
        }
    }

    public static async Task Unknown_content_is_ignored(ContractSubject s)
    {
        ChatResponse without = await s.Answer(s.Greedy());
        List<ChatMessage> messages = s.Ask();
        messages[^1].Contents.Add(new StrangeContent());
        ChatResponse with = await s.Answer(s.Greedy(), messages);
        Assert.Equal((without.Text, without.Usage!.InputTokenCount), (with.Text, with.Usage!.InputTokenCount));
    }

    public static async Task An_image_to_a_text_model_is_a_clear_error(ContractSubject s)
    {
        List<ChatMessage> messages = s.Ask();
        messages[^1].Contents.Add(new DataContent(new byte[] { 1, 2, 3 }, "image/png"));
        NotSupportedException error = await Assert.ThrowsAsync<NotSupportedException>(() => s.Answer(s.Greedy(), messages));
        Assert.Contains("image", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    public static async Task Concurrent_calls_do_not_mix(ContractSubject s)
    {
        List<string> alone = [];
        foreach (List<ChatMessage> messages in s.Others)
            alone.Add((await s.Client.GetResponseAsync(messages, s.Greedy())).Text);
        Assert.True(alone.Distinct().Count() > 1, "the conversations must have different answers");
        ChatResponse[] together = await Task.WhenAll(s.Others.Select(m => Task.Run(() => s.Client.GetResponseAsync(m, s.Greedy()))));
        Assert.Equal(alone, together.Select(r => r.Text));
    }

    public static async Task Neither_options_nor_messages_are_changed(ContractSubject s)
    {
        ChatOptions options = new DerivedOptions { MaxOutputTokens = 2, Temperature = 0, StopSequences = ["x"], Instructions = "Be short.", AdditionalProperties = new() { ["min_p"] = 0.1 } };
        List<ChatMessage> messages = s.Ask();
        string before = Json();
        await s.Client.GetResponseAsync(messages, options);
        await foreach (ChatResponseUpdate _ in s.Client.GetStreamingResponseAsync(messages, options))
        {
        }

        Assert.Equal(before, Json());

        string Json() => JsonSerializer.Serialize(options.Clone(), AIJsonUtilities.DefaultOptions) + JsonSerializer.Serialize(messages, AIJsonUtilities.DefaultOptions);
    }

    public static async Task A_cancelled_token_ends_the_call(ContractSubject s)
    {
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => s.Client.GetResponseAsync(s.Ask(), s.Greedy(), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in s.Client.GetStreamingResponseAsync(s.Ask(), s.Greedy(), cancelled))
            {
            }
        });
    }

    public static async Task Cancelling_between_two_updates_ends_the_stream(ContractSubject s)
    {
        int whole = (await s.Updates(s.Greedy(null))).Count;
        Assert.True(whole > 3, "the answer must be long enough to be cancelled");
        using var source = new CancellationTokenSource();
        int updates = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            // The token comes to the enumerator here, as "await foreach" with WithCancellation gives it.
            await foreach (ChatResponseUpdate _ in s.Client.GetStreamingResponseAsync(s.Ask(), s.Greedy(null)).WithCancellation(source.Token))
            {
                if (updates++ == 0)
                    await source.CancelAsync();
            }

            Assert.True(updates < whole, "the stream went on to its end");
            source.Token.ThrowIfCancellationRequested();
        });
        Assert.True(updates > 0);
    }

    public static async Task A_prompt_that_cannot_be_served_is_an_error_that_says_by_how_much(ContractSubject s)
    {
        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => s.Answer(s.Greedy(), s.TooLong()));
        Assert.False(error is OperationCanceledException);
        Assert.True(error.Message.Split(' ', ',', ';', '.').Count(w => w.Length > 1 && w.All(char.IsAsciiDigit)) >= 2, $"what was needed and what there is: {error.Message}");
    }

    private sealed class StrangeContent : AIContent;

    private sealed class DerivedOptions : ChatOptions;
}
