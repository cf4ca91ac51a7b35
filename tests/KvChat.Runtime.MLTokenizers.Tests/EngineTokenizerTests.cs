using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models;
using KvChat.Runtime.Text;
using KvChat.TestSupport;
using Microsoft.ML.Tokenizers;

namespace KvChat.Runtime.MLTokenizers.Tests;

public sealed class EngineTokenizerTests
{
    [SharedTheory("golden/tiny/tokenizer.jsonl", "golden/smollm2/tokenizer.jsonl", Vocabularies.SmolLM2)]
    [InlineData("tiny")]
    [InlineData("smollm2")]
    public void Their_tokeniser_of_the_same_vocabulary_agrees_with_ours_and_the_reference(string name)
    {
        Text.Tokenizer ours = Vocabularies.Ours(name), joined = new EngineTokenizer(Vocabularies.Theirs(name), ours);
        int rows = 0;
        foreach ((string text, int[] ids, string decoded) in Vocabularies.Golden(name))
        {
            Assert.Equal(ids, joined.Encode(text, allowSpecial: true).Ids);
            Assert.Equal(ours.Encode(text, allowSpecial: false).Ids, joined.Encode(text, allowSpecial: false).Ids);
            Assert.Equal(decoded, joined.Decode(ids, skipSpecial: false));
            rows++;
        }

        Assert.True(rows > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Special_tokens_stand_only_where_the_template_wrote_them(bool knowsSpecial)
    {
        Text.Tokenizer ours = Vocabularies.Ours("tiny"), joined = new EngineTokenizer(Vocabularies.Theirs("tiny", knowsSpecial), ours);
        const string text = "<|im_start|>user\n<|im_end|> 12<|im_end|>\n";
        var rendered = new RenderedText(text, [new OriginRun(0, 17, RenderedText.Template), new OriginRun(17, 13, 1), new OriginRun(30, text.Length - 30, RenderedText.Template)]);
        EncodedText expected = ours.Encode(rendered), actual = joined.Encode(rendered);
        Assert.Equal(expected.Ids, actual.Ids);
        Assert.Equal(expected.Starts, actual.Starts);
        Assert.Single(actual.Ids, ours.Find("<|im_end|>")!.Value);
    }

    [Fact]
    public void The_engine_answers_to_their_tokens_as_to_ours()
    {
        using LoadedModel model = LoadedModel.Load(SharedFiles.EmbeddedModel, new CpuBackendOptions { Activations = ActivationPrecision.Float32 });
        Microsoft.ML.Tokenizers.Tokenizer theirs = Vocabularies.Theirs("tiny");
        Text.Tokenizer tokenizer = new EngineTokenizer(theirs, model.Tokenizer);
        const string asked = "<|im_start|>user\nThe gate code of the Dushus mill is 1202-1238.\n\nWhat is the gate code of the Dushus mill?<|im_end|>\n<|im_start|>assistant\n";
        int[] prompt = tokenizer.Encode(asked, allowSpecial: true).Ids;
        using var runner = new StepRunner(model.Transformer, 1, prompt.Length + 40, prompt.Length, 1, KvFormat.F16);
        float[] logits = new float[model.Configuration.VocabularySize];
        runner.Read(0, prompt, logits: 1);
        List<int> answer = [];
        while (answer.Count < 40)
        {
            runner.ReadLogits(0, logits);
            int next = Array.IndexOf(logits, logits.Max());
            if (tokenizer.EndOfGenerationIds.Contains(next))
                break;
            answer.Add(next);
            runner.Read(0, [next], logits: 1);
        }

        Assert.Equal("The gate code of the Dushus mill is 1202-1238.", tokenizer.Decode([.. answer], skipSpecial: true));
    }

    [Fact]
    public void An_id_that_the_model_lacks_is_named()
    {
        BpeTokenizer larger = BpeTokenizer.Create(new BpeOptions([KeyValuePair.Create("a", 999_999)]) { PreTokenizer = null });
        var joined = new EngineTokenizer(larger, Vocabularies.Ours("tiny"));
        Assert.Contains("token 999999", Assert.Throws<InvalidOperationException>(() => joined.Encode("a", allowSpecial: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_vocabulary_is_the_models()
    {
        Text.Tokenizer ours = Vocabularies.Ours("tiny"), joined = new EngineTokenizer(Vocabularies.Theirs("tiny"), ours);
        Assert.Equal((ours.VocabularySize, ours.BosId, ours.EosId, ours.AddBos, ours.AddEos, ours.StripsLeadingSpace), (joined.VocabularySize, joined.BosId, joined.EosId, joined.AddBos, joined.AddEos, joined.StripsLeadingSpace));
        Assert.Equal(ours.EndOfGenerationIds, joined.EndOfGenerationIds);
        Assert.Equal((ours.TextOf(300), ours.KindOf(1), ours.Find("<|im_end|>")), (joined.TextOf(300), joined.KindOf(1), joined.Find("<|im_end|>")));
    }
}
