using KvChat.DependencyInjection;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using KvChat.TestSupport;
using KvChat.Tests.Client;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KvChat.Tests.Quality;

/// <summary>A quality instead of a ratio, from the option to the pages.</summary>
[Collection(EmbeddedClientTests.Name)]
public sealed class MinQualityTests(EmbeddedClient embedded) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kvchat-quality").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0.0)]
    [InlineData(-0.5)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_quality_outside_its_range_is_an_error(double quality)
    {
        string message = Assert.Throws<ArgumentException>(() => new KvCompression { MinQuality = quality }.Validate()).Message;
        Assert.Contains($"MinQuality is {quality}; it must be above 0 and at most 1", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_quality_and_an_amount_are_an_error_together_wherever_they_are_said()
    {
        foreach (KvCompression both in (KvCompression[])[KvCompression.Safe with { RetainedRatio = 0.5 }, KvCompression.Safe with { RetainedKvs = 400 }, KvCompression.Safe with { Policy = "off" }])
            Assert.Contains("MinQuality is 0.99; it must be null where", Assert.Throws<ArgumentException>(both.Validate).Message, StringComparison.Ordinal);
        ChatOptions options = new() { AdditionalProperties = new() { ["kv_min_quality"] = 0.9, ["kv_retained_ratio"] = 0.5 } };
        Assert.Contains("RetainedRatio (here 0.5", Assert.ThrowsAny<ArgumentException>(() => embedded.Client.GetResponseAsync(EmbeddedClient.Ask(), options).GetAwaiter().GetResult()).Message, StringComparison.Ordinal);
        Assert.Throws<OptionsValidationException>(() => new KvCompressChatClient(new KvCompressChatOptions { Compression = KvCompression.Safe with { RetainedRatio = 0.5 } }));
    }

    [Fact]
    public void Configuration_says_it_too()
    {
        Assert.Equal(KvCompression.Safe, Read("Compression:MinQuality", "0.99").Compression);
        Assert.Equal(KvCompression.Safe, Read("Compression", "safe").Compression);
    }

    [Fact]
    public void The_engine_wants_it_resolved()
    {
        var engine = (InferenceEngine)embedded.Client.GetService(typeof(InferenceEngine))!;
        var request = new GenerationRequest { Prompt = new[] { 300 }, Compression = KvCompression.Safe };
        Assert.Contains("MinQuality is 0.99", Assert.Throws<ArgumentException>(() => engine.Submit(request)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => engine.PlanCapacity(100, KvCompression.Safe));
    }

    [Fact]
    public async Task The_embedded_model_answers_from_less_and_has_its_own_table()
    {
        ChatOptions options = new ChatOptions { Temperature = 0 }.WithKvCompression(KvCompression.Safe);
        ChatResponse full = await embedded.Client.GetResponseAsync(EmbeddedClient.Ask(60), new ChatOptions().WithKvCompression(KvCompression.Off));
        ChatResponse response = await embedded.Client.GetResponseAsync(EmbeddedClient.Ask(60), options);
        Assert.Equal(EmbeddedClient.Answer, response.Text.Trim());
        KvUsage usage = response.GetKvUsage()!;
        Assert.False(usage.IsQualityUnmeasured);
        Assert.InRange(usage.BytesAtAnswer, 1, full.GetKvUsage()!.BytesAtAnswer / 2);
        Assert.True(embedded.Client.PlanCapacity(4000, KvCompression.Safe).Sessions >= 8 * embedded.Client.PlanCapacity(4000, KvCompression.Off).Sessions);
    }

    [Fact]
    public async Task What_a_first_question_chose_does_not_stand_for_later_ones()
    {
        ChatOptions options = new ChatOptions { Temperature = 0 }.WithKvCompression(KvCompression.Safe);
        List<ChatMessage> conversation = EmbeddedClient.Ask(60, "What is the serial number of the Quabrania pump?");
        ChatResponse first = await embedded.Client.GetResponseAsync(conversation, options);
        conversation.AddRange(first.Messages);
        conversation.Add(new ChatMessage(ChatRole.User, EmbeddedClient.Question));
        ChatResponse second = await embedded.Client.GetResponseAsync(conversation, options);
        Assert.Equal(EmbeddedClient.Answer, second.Text.Trim());
        Assert.Equal(0, second.GetKvUsage()!.Evicted - (second.GetKvUsage()!.Seen - second.GetKvUsage()!.Kept));
        Assert.True(second.GetKvUsage()!.RetainedRatio > first.GetKvUsage()!.RetainedRatio || second.GetKvUsage()!.RetainedRatio == 1);
    }

    [Fact]
    public async Task A_document_asked_about_later_keeps_what_unknown_questions_need()
    {
        var options = new KvDocumentOptions { Instructions = EmbeddedClient.System, Compression = KvCompression.Safe };
        using KvDocument document = await embedded.Client.PrepareDocumentAsync(EmbeddedClient.Document(60), options);
        Assert.Null(document.Compression.MinQuality);
        ChatMessage ask = new(ChatRole.User, [document.AsContent(), new TextContent(EmbeddedClient.Question)]);
        ChatResponse response = await embedded.Client.GetResponseAsync([ask], new ChatOptions { Instructions = EmbeddedClient.System }.WithKvCompression(KvCompression.Safe));
        Assert.Equal(EmbeddedClient.Answer, response.Text.Trim());
        using KvDocument copy = await (await embedded.Client.PrepareDocumentAsync(EmbeddedClient.Document(30))).ForkAsync(KvCompression.Safe);
        Assert.Null(copy.Compression.MinQuality);
    }

    [Fact]
    public async Task A_model_without_a_table_evicts_nothing_and_says_so()
    {
        string model = Path.Combine(_folder, "alone.gguf");
        File.Copy(SharedFiles.EmbeddedModel, model);
        using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions { Model = model, Compression = KvCompression.Safe, CacheBytes = 16 << 20 });
        KvUsage usage = (await client.GetResponseAsync(EmbeddedClient.Ask())).GetKvUsage()!;
        Assert.True(usage.IsQualityUnmeasured);
        Assert.Equal(0, usage.Evicted);
        Assert.Equal(client.PlanCapacity(4000, new KvCompression { Policy = "off", Format = KvFormat.K8V8 }), client.PlanCapacity(4000));
        Assert.False((await client.GetResponseAsync(EmbeddedClient.Ask(), new ChatOptions().WithKvCompression(KvCompression.Off))).GetKvUsage()!.IsQualityUnmeasured);
    }

    [Fact]
    public async Task A_damaged_table_beside_a_model_is_an_error_that_names_it()
    {
        string model = Path.Combine(_folder, "own.gguf");
        File.Copy(SharedFiles.EmbeddedModel, model);
        File.WriteAllText(Path.Combine(_folder, "own.kvquality.json"), """{"version":1,"model":"KvChat Tiny","measured":"x","rows":[{"set":""}]}""");
        ModelFileException error = await Assert.ThrowsAsync<ModelFileException>(() => KvCompressChatClient.LoadAsync(new KvCompressChatOptions { Model = model, CacheBytes = 16 << 20 }));
        Assert.Contains("own.kvquality.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("rows[0].", error.Message, StringComparison.Ordinal);
    }

    private static KvCompressChatOptions Read(string key, string value)
    {
        var options = new KvCompressChatOptions();
        new ConfigurationReader("").Read(new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build(), options);
        return options;
    }
}
