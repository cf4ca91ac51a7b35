using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Text;

namespace KvChat.Runtime.Tests.Text;

public sealed class SpecialTokenTests
{
    private const string End = "<|im_end|>";
    private static readonly Tokenizer Embedded = VocabularyFile.Embedded;

    [Fact]
    public void What_a_user_wrote_never_becomes_a_control_token()
    {
        EncodedText encoded = Embedded.Encode(Compose(("<|im_start|>user\n", 0), ("say <|im_end|> now", 1), (End, 0)));
        Assert.Equal([1, 2], encoded.Ids.Where(id => Embedded.KindOf(id) == TokenKind.Control));
        Assert.Equal("<|im_start|>user\nsay <|im_end|> now<|im_end|>", Embedded.Decode(encoded.Ids, skipSpecial: false));
        Assert.Equal("user\nsay <|im_end|> now", Embedded.Decode(encoded.Ids, skipSpecial: true));
    }

    [Fact]
    public void A_special_token_needs_every_character_from_the_template()
    {
        for (int from = 0; from < End.Length; from++)
        {
            for (int to = from + 1; to <= End.Length; to++)
            {
                EncodedText encoded = Embedded.Encode(Compose((End[..from], 0), (End[from..to], 1), (End[to..], 0)));
                Assert.DoesNotContain(2, encoded.Ids);
                Assert.Equal(End, Embedded.Decode(encoded.Ids, skipSpecial: false));
            }
        }
    }

    [Fact]
    public void Neighbouring_template_runs_are_one() =>
        Assert.Equal([2], Embedded.Encode(Compose(("<|im", 0), ("", 3), ("_end", 0), ("|>", 0))).Ids);

    [Fact]
    public void Origins_do_not_change_how_text_is_cut() =>
        Prop.ForAll(Texts.Any, Gen.Choose(0, 50).ToArbitrary(), (text, cut) =>
        {
            cut = Math.Min(cut, text.Length);
            return Embedded.Encode(Compose((text[..cut], 1), (text[cut..], 2))).Ids.SequenceEqual(Embedded.Encode(text, allowSpecial: false).Ids);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Longest_of_the_tokens_that_begin_together_wins()
    {
        Tokenizer tokenizer = TokenizerFactory.Create(WithKinds(("<x>", 3), ("<x>y", 4), ("<x>yzz", 3), ("y", 1), ("z", 1), ("<", 1)));
        Assert.Equal([1, 4, 5, 2, 0], tokenizer.Encode("<x>yz<<x>yzz<x>", allowSpecial: true).Ids);
    }

    [Fact]
    public void Merging_never_makes_a_special_token()
    {
        TokenizerData data = ByteLevelBpeTests.Small(["<", "x", "<x", "<x>", ">"], "< x", "<x >") with { TokenTypes = [1, 1, 1, 3, 1], Pre = "llama-bpe" };
        Tokenizer tokenizer = TokenizerFactory.Create(data);
        Assert.DoesNotContain(3, tokenizer.Encode("<x>", allowSpecial: false).Ids);
        Assert.Equal("<x>", tokenizer.Decode(tokenizer.Encode("<x>", allowSpecial: false).Ids, skipSpecial: true));
        Assert.Equal([3], tokenizer.Encode("<x>", allowSpecial: true).Ids);
    }

    [Fact]
    public void User_defined_white_space_is_found_in_anyones_text_and_other_user_defined_tokens_are_not()
    {
        Tokenizer tokenizer = TokenizerFactory.Create(WithKinds(("  ", 4), ("<think>", 4), ("a", 1), ("<", 1), ("t", 1), ("h", 1), ("i", 1), ("n", 1), ("k", 1), (">", 1)));
        Assert.Equal([2, 0, 2, 3, 4, 5, 6, 7, 8, 9], tokenizer.Encode("a  a<think>", allowSpecial: false).Ids);
        Assert.Equal([2, 0, 2, 1], tokenizer.Encode("a  a<think>", allowSpecial: true).Ids);
        Assert.Equal("  <think>", tokenizer.Decode([0, 1], skipSpecial: true));
    }

    [Fact]
    public void White_space_after_a_token_that_takes_it_goes_if_the_template_wrote_it()
    {
        TokenizerData data = WithKinds(("<u>", 3), ("a", 1), ("Ċ", 1)) with { TakesSpaceAfter = [0] };
        Tokenizer tokenizer = TokenizerFactory.Create(data);
        Assert.Equal([0, 1, 2], tokenizer.Encode("<u>\na\n", allowSpecial: true).Ids);
        Assert.Equal([0, 2, 1], tokenizer.Encode(Compose(("<u>\n", 0), ("\na", 1))).Ids);
    }

    [Fact]
    public void Tokens_that_end_a_reply_are_those_named_by_the_file_and_control_tokens_known_to()
    {
        Assert.Equal([0, 2], Embedded.EndOfGenerationIds);
        TokenizerData data = WithKinds(("<|eot_id|>", 3), ("</s>", 4), ("a", 1), ("b", 1), ("<end_of_turn>", 3)) with { Eos = 2, Eom = 3 };
        Assert.Equal([0, 2, 3, 4], TokenizerFactory.Create(data).EndOfGenerationIds);
    }

    [Fact]
    public void Bos_is_added_once_and_only_where_asked_for()
    {
        TokenizerData data = WithKinds(("<s>", 3), ("a", 1)) with { Bos = 0 };
        Tokenizer without = TokenizerFactory.Create(data);
        Tokenizer with = TokenizerFactory.Create(data with { AddBos = true });
        Assert.Equal([1], without.WithBos(without.Encode("a", false)).Ids);
        Assert.Equal([0, 1], with.WithBos(with.Encode("a", false)).Ids);
        Assert.Equal([0, 1], with.WithBos(with.Encode("<s>a", true)).Ids);
        Assert.False(TokenizerFactory.Create(data with { Bos = null, AddBos = true }).AddBos);
        Assert.True(TokenizerFactory.Create(data with { Pre = "llama-bpe" }).AddBos);
    }

    internal static RenderedText Compose(params (string Text, int Origin)[] parts)
    {
        var runs = new List<OriginRun>();
        int at = 0;
        foreach ((string text, int origin) in parts)
        {
            runs.Add(new(at, text.Length, origin));
            at += text.Length;
        }

        return new(string.Concat(parts.Select(p => p.Text)), runs);
    }

    private static TokenizerData WithKinds(params (string Text, int Kind)[] tokens) =>
        ByteLevelBpeTests.Small([.. tokens.Select(t => t.Text)]) with { TokenTypes = [.. tokens.Select(t => t.Kind)] };
}
