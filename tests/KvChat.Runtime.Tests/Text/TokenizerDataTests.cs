using KvChat.Runtime.Models;
using KvChat.Runtime.Text;

namespace KvChat.Runtime.Tests.Text;

public sealed class TokenizerDataTests
{
    private static readonly TokenizerData Bpe = new() { Model = "gpt2", Pre = "gpt-2", Tokens = ["a", "b", "ab"], Merges = ["a b"] };
    private static readonly TokenizerData Spm = new() { Model = "llama", Tokens = ["a", "b"], Scores = [0, -1] };

    public static TheoryData<string, TokenizerData> Wrong => new()
    {
        { "tokenizer.ggml.model", Bpe with { Model = "bert" } },
        { "tokenizer.ggml.pre", Bpe with { Pre = "" } },
        { "tokenizer.ggml.pre", Bpe with { Pre = "LLAMA-BPE" } },
        { "tokenizer.ggml.tokens", Bpe with { Tokens = [] } },
        { "tokenizer.ggml.tokens", Spm with { Tokens = null! } },
        { "tokenizer.ggml.tokens[1]", Bpe with { Tokens = ["a", null!] } },
        { "tokenizer.ggml.merges", Bpe with { Merges = null } },
        { "tokenizer.ggml.merges[0]", Bpe with { Merges = ["ab"] } },
        { "tokenizer.ggml.merges[1]", Bpe with { Merges = ["a b", "a "] } },
        { "tokenizer.ggml.merges[0]", Bpe with { Merges = [" b"] } },
        { "tokenizer.ggml.merges[0]", Bpe with { Merges = [null!] } },
        { "tokenizer.ggml.token_type", Bpe with { TokenTypes = [1, 1] } },
        { "tokenizer.ggml.token_type[2]", Bpe with { TokenTypes = [1, 1, 7] } },
        { "tokenizer.ggml.token_type[0]", Bpe with { TokenTypes = [-1, 1, 1] } },
        { "tokenizer.ggml.tokens[0]", Bpe with { TokenTypes = [6, 1, 1] } },
        { "tokenizer.ggml.tokens[0]", Spm with { Tokens = ["<0xG0>", "b"], TokenTypes = [6, 1] } },
        { "tokenizer.ggml.tokens[0]", Spm with { Tokens = ["<0x+1>", "b"], TokenTypes = [6, 1] } },
        { "tokenizer.ggml.tokens[0]", Spm with { Tokens = [new string('<', 2000), "b"], TokenTypes = [3, 1] } },
        { "tokenizer.ggml.scores", Spm with { Scores = null } },
        { "tokenizer.ggml.scores", Spm with { Scores = [1] } },
        { "tokenizer.ggml.scores[1]", Spm with { Scores = [1, float.NaN] } },
        { "tokenizer.ggml.bos_token_id", Bpe with { Bos = 3 } },
        { "tokenizer.ggml.eos_token_id", Bpe with { Eos = -1 } },
        { "tokenizer.ggml.eot_token_id", Bpe with { Eot = int.MaxValue } },
        { "tokenizer.ggml.eom_token_id", Spm with { Eom = int.MinValue } },
        { "tokenizer.ggml.unknown_token_id", Spm with { Unknown = 2 } },
        { "TakesSpaceAfter", Spm with { TakesSpaceAfter = [5] } },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public void Data_that_cannot_be_used_are_refused_by_the_field_at_fault(string field, TokenizerData data)
    {
        var error = Assert.Throws<ModelFileException>(() => TokenizerFactory.Create(data));
        Assert.EndsWith(field, error.Field, StringComparison.Ordinal);
        Assert.Contains(field, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lower_id_stands_for_a_text_that_occurs_twice()
    {
        Tokenizer tokenizer = TokenizerFactory.Create(Bpe with { Tokens = ["a", "b", "ab", "ab", ""] });
        Assert.Equal(2, tokenizer.Find("ab"));
        Assert.Equal([2], tokenizer.Encode("ab", false).Ids);
        Assert.Equal("abab", tokenizer.Decode([2, 3, 4], skipSpecial: false));
        Assert.Null(tokenizer.Find("ba"));
    }

    [Fact]
    public void Endless_tokens_do_not_make_encoding_slow()
    {
        // Every length of a run is a token, each better than the shorter ones: the most work that merging by text can be made to do.
        string[] tokens = [.. Enumerable.Range(1, 3000).Select(n => new string('a', n))];
        Tokenizer tokenizer = TokenizerFactory.Create(new() { Model = "llama", Tokens = tokens, Scores = [.. tokens.Select(t => (float)t.Length)], AddSpacePrefix = false });
        string text = new('a', 20_000);
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, false).Ids, skipSpecial: false));
    }

    [Fact]
    public void Tokens_that_the_file_names_as_special_are_control_tokens_where_it_gives_no_types()
    {
        Tokenizer tokenizer = TokenizerFactory.Create(Bpe with { Tokens = ["a", "b", "<end>", "\n"], Eos = 2, Eot = 3 });
        Assert.Equal(TokenKind.Control, tokenizer.KindOf(2));
        Assert.Equal(TokenKind.Normal, tokenizer.KindOf(3));
        Assert.Equal([2, 3], tokenizer.EndOfGenerationIds);
    }
}
