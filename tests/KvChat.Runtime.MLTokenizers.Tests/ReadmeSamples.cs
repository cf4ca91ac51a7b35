using KvChat.Runtime.Models;
using KvChat.TestSupport;

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
    public void Every_sample_of_the_readme_stands_here()
    {
        IReadOnlyList<string> samples = ReadmeCode.Samples("runtime/KvChat.Runtime.MLTokenizers/README.md");
        Assert.Equal(2, samples.Count);
        string here = ReadmeCode.Of("tests/KvChat.Runtime.MLTokenizers.Tests/ReadmeSamples.cs");
        Assert.All(samples, sample => Assert.Contains(sample, here, StringComparison.Ordinal));
    }
}
