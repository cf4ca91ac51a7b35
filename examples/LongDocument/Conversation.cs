using System.Diagnostics;
using KvChat;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace LongDocument;

/// <summary>An answer, and what it took.</summary>
internal sealed record Answer(string Text, int PromptTokens, int CachedTokens, int AnswerTokens, TimeSpan FirstToken, TimeSpan Elapsed, KvUsage Kvs);

/// <summary>A conversation about one document: plain <see cref="IChatClient"/> calls with the history that the caller keeps.</summary>
internal sealed class Conversation(IChatClient client, string document, KvCompression compression)
{
    private readonly List<ChatMessage> _messages = [new(ChatRole.System, "Answer from the document only.")];

    /// <summary>Asks the next question, greedily.</summary>
    /// <param name="question">The question; the document goes before the first one.</param>
    /// <param name="maxTokens">Longest answer, or null for as long as the context allows.</param>
    /// <param name="onText">Given the text as it comes.</param>
    /// <param name="cancellationToken">Ends the answer.</param>
    public async Task<Answer> AskAsync(string question, int? maxTokens, Action<string>? onText, CancellationToken cancellationToken)
    {
        bool first = _messages.Count == 1;
        _messages.Add(new ChatMessage(ChatRole.User, first ? $"{document}\n\n{question}" : question));
        ChatOptions options = new ChatOptions { Temperature = 0, MaxOutputTokens = maxTokens }.WithKvCompression(compression);
        long start = Stopwatch.GetTimestamp();
        TimeSpan? firstToken = null;
        KvUsage? kvs = null;
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(_messages, options, cancellationToken).ConfigureAwait(false))
        {
            updates.Add(update);
            kvs = update.GetKvUsage() ?? kvs;
            if (update.Text.Length == 0)
                continue;
            firstToken ??= Stopwatch.GetElapsedTime(start);
            onText?.Invoke(update.Text);
        }

        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        ChatResponse response = updates.ToChatResponse();
        _messages.AddRange(response.Messages);
        UsageDetails usage = response.Usage ?? throw new InvalidOperationException("The response has no usage.");
        return new Answer(
            response.Text.Trim(), Count(usage.InputTokenCount), Count(usage.CachedInputTokenCount), Count(usage.OutputTokenCount), firstToken ?? elapsed, elapsed,
            kvs ?? throw new InvalidOperationException("The response has no KV usage."));
    }

    private static int Count(long? tokens) => (int)(tokens ?? 0);
}
