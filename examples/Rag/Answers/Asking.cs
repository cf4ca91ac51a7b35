using System.Diagnostics;
using KvChat;
using Microsoft.Extensions.AI;

namespace Rag.Answers;

/// <summary>What came back from the client.</summary>
internal sealed record Asked(string Text, IList<ChatMessage> Messages, TimeSpan FirstToken, TimeSpan Elapsed, long TokensRead, KvUsage Kvs);

/// <summary>One request to the chat client, timed: what both ways have in common.</summary>
internal static class Asking
{
    public const string Instructions = "Answer from the document only.";

    public static async Task<Asked> AskAsync(IChatClient client, IEnumerable<ChatMessage> messages, ChatOptions options, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan? firstToken = null;
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(messages, options, cancellationToken))
        {
            updates.Add(update);
            if (update.Text.Length > 0)
                firstToken ??= Stopwatch.GetElapsedTime(start);
        }

        ChatResponse response = updates.ToChatResponse();
        long read = (response.Usage?.InputTokenCount ?? 0) - (response.Usage?.CachedInputTokenCount ?? 0);
        KvUsage kvs = response.GetKvUsage() ?? throw new InvalidOperationException("The client reports no KV usage: it is not a KvChat client.");
        return new Asked(response.Text.Trim(), response.Messages, firstToken ?? Stopwatch.GetElapsedTime(start), Stopwatch.GetElapsedTime(start), read, kvs);
    }
}
