using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

public sealed class SentencePieceBpeTests
{
    private static readonly Tokenizer Small = TokenizerFactory.Create(Data());

    [Fact]
    public void Highest_score_merges_first_and_leftmost_among_equals()
    {
        Assert.Equal(["▁", "a", "bc"], TextsOf(Small.Encode("abc", false)));
        Assert.Equal(["▁", "aa", "a"], TextsOf(Small.Encode("aaa", false)));
    }

    [Fact]
    public void What_the_vocabulary_lacks_is_written_byte_by_byte()
    {
        EncodedText encoded = Small.Encode("a🙂b", allowSpecial: false);
        Assert.Equal(["▁", "a", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "b"], TextsOf(encoded));
        Assert.Equal([0, 0, 1, 1, 1, 1, 3], encoded.Starts);
        Assert.Equal("a🙂b", Small.Decode(encoded.Ids, skipSpecial: true));
    }

    [Theory]
    [InlineData("<s>")]
    [InlineData("</s>a")]
    [InlineData("<0x41>")]
    [InlineData("<unk>")]
    public void Users_text_makes_neither_control_nor_byte_tokens_by_their_names(string text)
    {
        EncodedText encoded = Small.Encode(text, allowSpecial: false);
        Assert.Equal(text, Small.Decode(encoded.Ids, skipSpecial: true));
        Assert.DoesNotContain(encoded.Ids, id => Small.KindOf(id) is TokenKind.Control or TokenKind.Unknown || Small.TextOf(id) == "<0x41>");
    }

    [Fact]
    public void Any_text_without_the_mark_of_spaces_decodes_to_itself() =>
        Prop.ForAll(Texts.Any, text =>
        {
            text = text.Replace('\u2581', '-');
            EncodedText encoded = Small.Encode(text, allowSpecial: false);
            return Small.Decode(encoded.Ids, skipSpecial: false) == Texts.Mend(text) && encoded.Starts.SequenceEqual(encoded.Starts.Order());
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Space_goes_before_text_at_the_beginning_and_after_a_special_token_unless_the_file_says_no()
    {
        Assert.Equal(["▁", "a", "<s>", "▁", "a"], TextsOf(Small.Encode("a<s>a", allowSpecial: true)));
        Tokenizer plain = TokenizerFactory.Create(Data() with { AddSpacePrefix = false });
        Assert.Equal(["a", "<s>", "a"], plain.Encode("a<s>a", allowSpecial: true).Ids.Select(plain.TextOf));
        Assert.Equal(" a", plain.Decode(plain.Encode(" a", false).Ids, skipSpecial: true));
    }

    [Fact]
    public void Character_without_bytes_becomes_the_unknown_token_or_is_counted()
    {
        TokenizerData data = new() { Model = "llama", Tokens = ["?", "a", "▁"], Scores = [0, 0, 0], TokenTypes = [2, 1, 1] };
        Assert.Equal([2, 1, 0], TokenizerFactory.Create(data).Encode("aé", false).Ids);
        Assert.Equal(2, TokenizerFactory.Create(data with { TokenTypes = null }).Encode("aé", false).DroppedBytes);
    }

    [Theory]
    [InlineData('a')]
    [InlineData(' ')]
    [InlineData('漢')]
    public void A_million_equal_characters_are_encoded(char character)
    {
        string text = new(character, 1 << 20);
        Assert.Equal(text, Small.Decode(Small.Encode(text, allowSpecial: false).Ids, skipSpecial: false));
    }

    [Fact]
    public void Streaming_leaves_out_the_space_that_encoding_added()
    {
        Gen<int> id = Gen.Choose(0, Small.VocabularySize - 1);
        var streaming = new StreamingDetokenizer(Small, skipSpecial: false);
        Prop.ForAll(id.ArrayOf().ToArbitrary(), ids => string.Concat(ids.Select(streaming.Append)) + streaming.Flush() == Small.Decode(ids, skipSpecial: false))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [SharedFact("golden/vocab/ggml-vocab-llama-spm.gguf")]
    public void Users_text_cannot_spell_the_end_of_a_llama_sequence()
    {
        Tokenizer llama = VocabularyFile.Open(SharedFiles.PathOf("golden/vocab/ggml-vocab-llama-spm.gguf"));
        int[] ids = llama.Encode("a</s><s><unk>", allowSpecial: false).Ids;
        Assert.DoesNotContain(ids, id => llama.KindOf(id) != TokenKind.Normal);
        Assert.Equal("a</s><s><unk>", llama.Decode(ids, skipSpecial: true));
        Assert.Equal([2, 1], llama.Encode("</s><s>", allowSpecial: true).Ids);
        Assert.True(llama.AddBos);
        Assert.Equal([2], llama.EndOfGenerationIds);
    }

    private static IEnumerable<string> TextsOf(EncodedText encoded) => encoded.Ids.Select(Small.TextOf);

    private static TokenizerData Data()
    {
        string[] head = ["<unk>", "<s>", "</s>"];
        string[] tail = ["▁", "a", "b", "c", "ab", "bc", "aa", "s>", "<", "<s", "4", "1>", "<0x4", "▁▁"];
        string[] bytes = [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>")];
        return new()
        {
            Model = "llama",
            Tokens = [.. head, .. bytes, .. tail],
            TokenTypes = [2, 3, 3, .. bytes.Select(_ => 6), .. tail.Select(_ => 1)],
            Scores = [0, 0, 0, .. bytes.Select(_ => 0f), -1, -2, -3, -4, -6, -5, -7, -8, -9, -10, -11, -12, -13, -14],
        };
    }
}
