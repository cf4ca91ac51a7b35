using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

public sealed class TokenizerFactoryTests
{
    private static readonly string[] Phi3Tokens = ["<unk>", "<s>", "</s>", "<|user|>", "<|endoftext|>", "▁", "a", "\n"];

    [Fact]
    public void Error_about_a_files_tokeniser_names_the_file_and_the_place()
    {
        GgufMetadata metadata = Metadata(new GgufWriter()
            .Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", new[] { "a" }).Add("tokenizer.ggml.merges", new[] { "a a", "aa" }));
        var error = Assert.Throws<ModelFileException>(() => TokenizerFactory.FromGguf(metadata));
        Assert.Equal("tokenizer.ggml.merges[1]", error.Field);
        Assert.NotNull(error.Offset);
        Assert.NotNull(error.File);
        Assert.Contains("'aa'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void File_without_a_tokeniser_is_refused() =>
        Assert.Equal("tokenizer.ggml.model", Assert.Throws<ModelFileException>(() => TokenizerFactory.FromGguf(Metadata(new GgufWriter()))).Field);

    [Fact]
    public void Minus_one_means_no_such_token()
    {
        Tokenizer tokenizer = TokenizerFactory.FromGguf(Metadata(new GgufWriter()
            .Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", new[] { "a" }).Add("tokenizer.ggml.merges", Array.Empty<string>())
            .Add("tokenizer.ggml.bos_token_id", uint.MaxValue).Add("tokenizer.ggml.eos_token_id", -1)));
        Assert.Null(tokenizer.BosId);
        Assert.Null(tokenizer.EosId);
        Assert.Empty(tokenizer.EndOfGenerationIds);
    }

    [Fact]
    public void Special_tokens_of_Phi_3_take_the_templates_line_end_after_them()
    {
        Tokenizer phi3 = TokenizerFactory.FromGguf(Phi3("phi3"));
        Assert.Equal([3, 5, 6, 4, 5, 7], phi3.Encode("<|user|>\na<|endoftext|>\n", allowSpecial: true).Ids);
        Assert.Equal([3, 5, 7, 6], phi3.Encode(SpecialTokenTests.Compose(("<|user|>\n", 0), ("\na", 1))).Ids);
        Tokenizer llama = TokenizerFactory.FromGguf(Phi3("llama"));
        Assert.Equal([3, 5, 7, 6], llama.Encode("<|user|>\na", allowSpecial: true).Ids);
    }

    [Fact]
    public void Random_vocabularies_are_refused_by_field_or_work()
    {
        Gen<string> text = Gen.Elements("a", "b", "ab", "<", ">", "<a>", "<0x61>", "<0xFF>", "▁", "▁a", "Ġ", "Ġa", "\uD800", "", " ", "  ", "🙂", "ðŁĻĤ");
        Gen<TokenizerData> any =
            from model in Gen.Elements("gpt2", "llama")
            from tokens in text.NonEmptyListOf()
            from types in Gen.Choose(0, 6).ListOf(tokens.Count)
            from scores in Gen.Choose(-3, 3).ListOf(tokens.Count)
            from merges in text.Two().ListOf()
            from pre in Gen.Elements("gpt-2", "llama-bpe", "default", "gpt-4o")
            from id in Gen.Choose(-1, 6)
            select new TokenizerData
            {
                Model = model,
                Pre = pre,
                Tokens = [.. tokens],
                TokenTypes = [.. types],
                Scores = [.. scores.Select(s => (float)s)],
                Merges = [.. merges.Where(m => m.Item1.Length > 0 && m.Item2.Length > 0 && !m.Item1.Contains(' ')).Select(m => $"{m.Item1} {m.Item2}")],
                Bos = id < 0 ? null : id,
                TakesSpaceAfter = id < 0 ? [] : [id],
            };
        Prop.ForAll(any.ToArbitrary(), Texts.Any, (data, input) =>
        {
            Tokenizer tokenizer;
            try
            {
                tokenizer = TokenizerFactory.Create(data);
            }
            catch (ModelFileException)
            {
                return true;
            }

            EncodedText user = tokenizer.Encode(input + "<a> a  ab", allowSpecial: false);
            EncodedText template = tokenizer.Encode(input + "<a> a  ab", allowSpecial: true);
            tokenizer.Decode(template.Ids, skipSpecial: false);
            return user.Starts.SequenceEqual(user.Starts.Order()) && template.Starts.SequenceEqual(template.Starts.Order())
                && user.Ids.All(id => tokenizer.KindOf(id) != TokenKind.Control);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(3000));
    }

    private static GgufMetadata Phi3(string architecture) => Metadata(new GgufWriter()
        .Add("general.architecture", architecture).Add("tokenizer.ggml.model", "llama").Add("tokenizer.ggml.tokens", Phi3Tokens)
        .Add("tokenizer.ggml.token_type", new[] { 2, 3, 4, 3, 3, 1, 1, 1 }).Add("tokenizer.ggml.scores", new float[8]));

    private static GgufMetadata Metadata(GgufWriter writer)
    {
        using GgufFile file = GgufFile.Open(writer.ToArray());
        return file.Metadata;
    }
}
