using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using LongDocument;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Client;

/// <summary>Prompts longer than the pool, and conversations about them, on the embedded model and the documents of the example.</summary>
public sealed class LongPromptTests
{
    /// <summary>A page of the embedded model: 16 KVs of 2 x 64 halves, with a position and a score each; 4 layers of 4 KV heads.</summary>
    private const long PageBytes = 16 * ((2 * 64 * 2) + 8), Heads = 16;

    private static readonly ChatOptions s_greedy = new() { Temperature = 0, MaxOutputTokens = 64 };

    [Fact]
    public async Task Six_thousand_tokens_are_read_in_fifteen_hundred_tokens_of_pages_and_answered()
    {
        Document[] documents = [.. Document.Read(Document.Shipped)];
        Document asked = documents.MaxBy(d => d.Text.Length)!, filler = documents.First(d => d != asked && d.Text.Length > 6000);
        string text = $"{filler.Text}\n\n{asked.Text}";
        using KvCompressChatClient client = Client(1500);
        KvCompression compression = new() { RetainedKvs = 640, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 512 };
        int right = 0;
        for (int i = 0; i < 3; i++)
        {
            ChatResponse response = await client.GetResponseAsync(Ask(text, asked.Questions[i].Text), s_greedy.Clone().WithKvCompression(compression));
            Assert.True(response.Usage!.InputTokenCount >= 5500, $"the prompt had {response.Usage.InputTokenCount} tokens");
            Assert.True(response.GetKvUsage()!.PeakBytes <= 1500 / 16 * PageBytes * Heads);
            right += response.Text.Trim() == asked.Questions[i].Answer ? 1 : 0;
        }

        Assert.True(right >= 2, $"{right} of 3 answers were right");
    }

    [Fact]
    public async Task What_does_not_fit_says_what_it_needs()
    {
        Document[] documents = [.. Document.Read(Document.Shipped)];
        string text = string.Join("\n\n", documents.Take(2).Select(d => d.Text));
        using KvCompressChatClient client = Client(1500);
        KvCapacityException error = await Assert.ThrowsAsync<KvCapacityException>(
            () => client.GetResponseAsync(Ask(text, "Who?"), s_greedy.Clone().WithKvCompression(KvCompression.Off)));
        Assert.True(error.Needed > error.Available);
        Assert.Contains("bytes of KV cache", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0.25)]
    public async Task Later_turns_read_no_token_of_the_document_again(double retained)
    {
        Document document = Document.Read(Document.Shipped).MaxBy(d => d.Text.Length)!;
        using KvCompressChatClient client = Client(6000);
        ChatOptions options = s_greedy.Clone().WithKvCompression(new KvCompression { RetainedRatio = retained });
        List<ChatMessage> history = Ask(document.Text, document.Questions[0].Text);
        long before = 0;
        for (int turn = 0; turn < 5; turn++)
        {
            ChatResponse response = await client.GetResponseAsync(history, options);
            long input = response.Usage!.InputTokenCount!.Value, cached = response.Usage.CachedInputTokenCount ?? 0;
            Assert.True(turn == 0 || cached >= before, $"turn {turn + 1} read {input - cached} of {input} tokens; {before} were read before");
            before = input;
            history.AddRange(response.Messages);
            history.Add(new ChatMessage(ChatRole.User, document.Questions[(turn + 1) % document.Questions.Count].Text));
        }
    }

    private static KvCompressChatClient Client(int tokens) =>
        KvCompressChatClient.Load(new KvCompressChatOptions { CacheBytes = tokens / 16 * PageBytes * Heads, Threads = 2 });

    private static List<ChatMessage> Ask(string text, string question) =>
        [new(ChatRole.System, "Answer from the document only."), new(ChatRole.User, $"{text}\n\n{question}")];
}
