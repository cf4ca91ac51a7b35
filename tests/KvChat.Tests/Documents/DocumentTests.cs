using System.Text.Json;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Documents;

/// <summary>Documents that are read once: what requests get from them, and what is refused.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class DocumentTests(EmbeddedClient embedded)
{
    private static readonly ChatOptions s_options = new() { Instructions = EmbeddedClient.System };

    private KvCompressChatClient Client => embedded.Client;

    [Fact]
    public async Task A_question_reads_only_itself_and_gets_the_answer_of_the_whole_text()
    {
        string text = EmbeddedClient.Document(20);
        using KvDocument document = await PrepareAsync(text);
        ChatResponse response = await Client.GetResponseAsync([Ask(document)], s_options);
        Assert.Equal(EmbeddedClient.Answer, response.Text);
        Assert.Equal(document.Usage.Tokens, response.Usage!.CachedInputTokenCount);
        Assert.InRange(response.Usage.InputTokenCount!.Value - document.Usage.Tokens, 5, 60);
        Assert.Equal(0, response.GetKvUsage()!.Evicted);
        Assert.Equal(1, document.Usage.RetainedRatio);

        // The text itself is encoded together with the question, which may cut the blank line between them otherwise; the answer is the same.
        ChatResponse read = await Client.GetResponseAsync([new ChatMessage(ChatRole.User, [new TextContent(text), new TextContent(EmbeddedClient.Question)])], s_options);
        Assert.InRange(response.Usage.InputTokenCount!.Value - read.Usage!.InputTokenCount!.Value, -1, 1);
        Assert.Equal(read.Text, response.Text);
    }

    [Fact]
    public async Task A_compressed_document_says_what_it_kept_and_is_not_compressed_again()
    {
        using KvDocument document = await PrepareAsync(EmbeddedClient.Document(60), new KvCompression { RetainedRatio = 0.5 });
        Assert.InRange(document.Usage.RetainedRatio, 0.3, 0.55);
        Assert.Equal(CompressionQuery.Unknown, document.Compression.Query);
        Assert.Equal(document.Usage.Seen - document.Usage.Kept, document.Usage.Evicted);
        ChatResponse response = await Client.GetResponseAsync([Ask(document)], s_options);
        Assert.Equal(document.Usage.Evicted, response.GetKvUsage()!.Evicted);
        Assert.Equal(document.Usage.Tokens, response.Usage!.CachedInputTokenCount);
    }

    [Fact]
    public async Task A_copy_under_other_settings_equals_the_document_prepared_under_them()
    {
        string text = EmbeddedClient.Document(60);
        KvCompression half = new() { RetainedRatio = 0.5 };
        using KvDocument full = await PrepareAsync(text), anew = await PrepareAsync(text, half), copy = await full.ForkAsync(half);
        Assert.Equal((anew.Usage.Seen, anew.Usage.Kept, anew.Text), (copy.Usage.Seen, copy.Usage.Kept, copy.Text));
        Assert.Equal(CompressionQuery.Unknown, copy.Compression.Query);
        Assert.NotEqual(full.Id, copy.Id);
        ChatResponse one = await Client.GetResponseAsync([Ask(anew)], s_options), other = await Client.GetResponseAsync([Ask(copy)], s_options);
        Assert.Equal(one.Text, other.Text);
        Assert.Equal(one.GetKvUsage()!.KeptPerHead!, other.GetKvUsage()!.KeptPerHead!);
        full.Dispose();
        Assert.Equal(other.Text, (await Client.GetResponseAsync([Ask(copy)], s_options)).Text); // the copy outlives what it was made of
        await Assert.ThrowsAsync<InvalidOperationException>(() => copy.ForkAsync(KvCompression.Off));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => full.ForkAsync(half));
        await Assert.ThrowsAsync<ArgumentException>(() => anew.ForkAsync(half with { RetainedRatio = 0 }));
    }

    [Fact]
    public async Task A_conversation_about_a_document_goes_on()
    {
        using KvDocument document = await PrepareAsync(EmbeddedClient.Document(20));
        List<ChatMessage> history = [Ask(document)];
        ChatResponse first = await Client.GetResponseAsync(history, s_options);
        history.AddRange(first.Messages);
        history.Add(new ChatMessage(ChatRole.User, EmbeddedClient.Question));
        ChatResponse second = await Client.GetResponseAsync(history, s_options);
        Assert.True(second.Usage!.CachedInputTokenCount > document.Usage.Tokens);
    }

    [Fact]
    public async Task Of_two_documents_the_second_is_read_as_text_and_counted()
    {
        using KvDocument first = await PrepareAsync("The serial number of the Quabran pump is 137-QR."), second = await PrepareAsync(EmbeddedClient.Document(4));
        ChatMessage ask = new(ChatRole.User, [first.AsContent(), second.AsContent(), new TextContent(EmbeddedClient.Question)]);
        ChatResponse response = await Client.GetResponseAsync([ask], s_options);
        Assert.Equal(first.Usage.Tokens, response.Usage!.CachedInputTokenCount);
        Assert.InRange(response.GetKvUsage()!.DocumentTokensRead, 40, second.Usage.Tokens);
        Assert.Equal(0, (await Client.GetResponseAsync([Ask(first)], s_options)).GetKvUsage()!.DocumentTokensRead);
    }

    [Fact]
    public async Task Another_prompt_before_the_document_is_an_error_that_says_where()
    {
        using KvDocument document = await PrepareAsync(EmbeddedClient.Document(4));
        KvDocumentException error = await Assert.ThrowsAsync<KvDocumentException>(() => Client.GetResponseAsync([Ask(document)], new ChatOptions { Instructions = "Be brief." }));
        Assert.Equal(document.Id, error.DocumentId);
        Assert.Contains("Instructions", error.Message, StringComparison.Ordinal);
        ChatMessage late = new(ChatRole.User, [new TextContent("Hello."), document.AsContent()]);
        await Assert.ThrowsAsync<KvDocumentException>(() => Client.GetResponseAsync([late], s_options));
        await Assert.ThrowsAsync<NotSupportedException>(() => Client.GetResponseAsync([new ChatMessage(ChatRole.Assistant, [document.AsContent()])], s_options));
    }

    [Fact]
    public async Task Json_and_properties_carry_the_document_by_its_id()
    {
        using KvDocument document = await PrepareAsync(EmbeddedClient.Document(8));
        JsonSerializerOptions json = new JsonSerializerOptions(AIJsonUtilities.DefaultOptions).AddKvDocuments();
        string text = JsonSerializer.Serialize(Ask(document), json);
        Assert.Contains(document.Id, text, StringComparison.Ordinal);
        ChatMessage back = JsonSerializer.Deserialize<ChatMessage>(text, json)!;
        ChatMessage named = new(ChatRole.User, EmbeddedClient.Question) { AdditionalProperties = new() { [KvOptionNames.Document] = document.Id } };
        foreach (ChatMessage message in (ChatMessage[])[back, named])
        {
            ChatResponse response = await Client.GetResponseAsync([message], s_options);
            Assert.Equal(EmbeddedClient.Answer, response.Text);
            Assert.True(response.Usage!.CachedInputTokenCount >= document.Usage.Tokens);
        }
    }

    [Fact]
    public async Task A_document_that_is_gone_or_unknown_is_an_error()
    {
        KvDocument document = await PrepareAsync("A short text.");
        ChatMessage ask = Ask(document), byId = new(ChatRole.User, [new KvDocumentContent(document.Id), new TextContent("Who?")]);
        document.Dispose();
        document.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Client.GetResponseAsync([ask], s_options));
        await Assert.ThrowsAsync<KvDocumentException>(() => Client.GetResponseAsync([byId], s_options));
        Assert.Throws<ObjectDisposedException>(document.AsContent);
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Client.PrepareDocumentAsync(" "));
    }

    [Fact]
    public async Task Cancellation_and_progress_reach_the_reading()
    {
        using var cancel = new CancellationTokenSource();
        List<KvDocumentProgress> steps = [];
        var progress = new Told(step =>
        {
            steps.Add(step);
            cancel.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Client.PrepareDocumentAsync(EmbeddedClient.Document(200), null, progress, cancel.Token));
        Assert.InRange(steps[0].TokensRead, 1, steps[0].TotalTokens - 1);
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(0.25)]
    public async Task As_many_sessions_fit_as_the_plan_says(double ratio)
    {
        const int tokens = 300;
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { CacheBytes = 6 << 20 });
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        KvCompression compression = new() { RetainedRatio = ratio, Query = CompressionQuery.Unknown };
        CapacityPlan plan = client.PlanCapacity(tokens, compression);
        Assert.True(plan.Sessions > 1);
        List<PreparedSequence> sessions = [];
        for (int i = 0; i < plan.Sessions; i++)
            sessions.Add(await engine.PrepareAsync(new PreparationRequest { Prompt = Enumerable.Range(0, tokens).Select(t => 300 + ((t * (i + 3)) % 200)).ToArray(), Compression = compression }));
        Assert.All(sessions, s => Assert.Equal(plan.BytesPerSession, s.Kvs.Bytes));
        Assert.All(sessions, s => Assert.Equal(plan.PeakBytesWhileReading, s.Kvs.PeakBytes));
        long left = plan.BudgetBytes - (plan.Sessions * plan.BytesPerSession);
        Assert.True(left < plan.PeakBytesWhileReading, "one more would have fitted");
        Assert.True(left + plan.BytesPerSession >= plan.PeakBytesWhileReading, "the last one would not have fitted");
    }

    private static ChatMessage Ask(KvDocument document) => new(ChatRole.User, [document.AsContent(), new TextContent(EmbeddedClient.Question)]);

    private Task<KvDocument> PrepareAsync(string text, KvCompression? compression = null) =>
        Client.PrepareDocumentAsync(text, new KvDocumentOptions { Instructions = EmbeddedClient.System, Compression = compression });

    private sealed class Told(Action<KvDocumentProgress> tell) : IProgress<KvDocumentProgress>
    {
        public void Report(KvDocumentProgress value) => tell(value);
    }
}
