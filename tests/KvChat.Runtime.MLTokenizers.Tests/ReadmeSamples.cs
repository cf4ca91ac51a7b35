using KvChat.Runtime.Models;
using KvChat.TestSupport;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace KvChat.Runtime.MLTokenizers.Tests;

/// <summary>The code of the package's README, compiled and run.</summary>
public sealed class ReadmeSamples
{
    [Fact]
    public void Both_directions()
    {
        using LoadedModel model = LoadedModel.Load(SharedFiles.EmbeddedModel);
        string document = string.Concat(Enumerable.Repeat("The gate code of the Dushus mill is 1202-1238. ", 20));
        Microsoft.ML.Tokenizers.Tokenizer theirs = Vocabularies.Theirs("tiny");

        Microsoft.ML.Tokenizers.Tokenizer counter = new ModelTokenizer(model.Tokenizer);
        int tokens = counter.CountTokens(document);
        int end = counter.GetIndexByTokenCount(document, maxTokenCount: 100, out _, out _);

        Text.Tokenizer tokenizer = new EngineTokenizer(theirs, model.Tokenizer);
        int[] prompt = tokenizer.Encode("What is the gate code of the Dushus mill?", allowSpecial: false).Ids;
        Assert.True(tokens > 100 && end < document.Length);
        Assert.NotEmpty(prompt);
    }

    [Fact]
    public async Task A_client_with_their_tokeniser()
    {
        Microsoft.ML.Tokenizers.Tokenizer theirs = Vocabularies.Theirs("tiny");
        var services = new ServiceCollection();
        services.AddKvCompressChatClient(o => o.TokenizerFactory = own => new EngineTokenizer(theirs, own));
        services.Configure<KvCompressChatOptions>(o => o.CacheBytes = 8 << 20);
        await using ServiceProvider provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<IChatClient>();
        ChatResponse response = await client.GetResponseAsync("The gate code of the Dushus mill is 1202-1238.\n\nWhat is the gate code of the Dushus mill?", new ChatOptions { Temperature = 0 });
        Assert.Equal("The gate code of the Dushus mill is 1202-1238.", response.Text);
        Assert.IsType<EngineTokenizer>(client.GetService<LoadedModel>()!.Tokenizer);
    }

    [Fact]
    public void Every_sample_of_the_readme_stands_here()
    {
        IReadOnlyList<string> samples = ReadmeCode.Samples("runtime/KvChat.Runtime.MLTokenizers/README.md");
        Assert.Equal(3, samples.Count);
        string here = ReadmeCode.Of("tests/KvChat.Runtime.MLTokenizers.Tests/ReadmeSamples.cs");
        Assert.All(samples, sample => Assert.Contains(sample, here, StringComparison.Ordinal));
    }
}
