using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

public sealed class ByteLevelBpeTests
{
    private static readonly Tokenizer Embedded = VocabularyFile.Embedded;

    [Fact]
    public void Any_text_of_a_user_decodes_to_itself_and_holds_no_control_token() =>
        Prop.ForAll(Texts.Any, text =>
        {
            EncodedText encoded = Embedded.Encode(text, allowSpecial: false);
            return Embedded.Decode(encoded.Ids, skipSpecial: false) == Texts.Mend(text)
                && encoded.DroppedBytes == 0
                && encoded.Ids.All(id => Embedded.KindOf(id) == TokenKind.Normal);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Every_token_starts_at_the_character_that_holds_its_first_byte() =>
        Prop.ForAll(Texts.Any, text =>
        {
            EncodedText encoded = Embedded.Encode(text, allowSpecial: true);
            int[] starts = StartsOfBytes(text);
            int at = 0;
            for (int i = 0; i < encoded.Ids.Length; i++)
            {
                if (encoded.Starts[i] != starts[at])
                    return false;
                at += Embedded.BytesOf(encoded.Ids[i]).Length;
            }

            return at == starts.Length;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void Merging_with_the_heap_gives_what_merging_pair_by_pair_gives()
    {
        TokenizerData data = VocabularyFile.Read(SharedFiles.EmbeddedModel);
        var ranks = data.Merges!.Select((m, i) => (m, i)).ToDictionary(p => p.m, p => p.i);
        var texts = Gen.Elements("the", "er", "he", "a", "t", "o", "f", "n", "i", "in", "x").ListOf().Select(p => string.Concat(p)).ToArbitrary();
        Prop.ForAll(texts, text =>
        {
            List<string> parts = [.. text.Select(c => c.ToString())];
            while (parts.Count > 1)
            {
                int best = Enumerable.Range(0, parts.Count - 1).MinBy(i => ranks.GetValueOrDefault($"{parts[i]} {parts[i + 1]}", int.MaxValue));
                if (!ranks.ContainsKey($"{parts[best]} {parts[best + 1]}"))
                    break;
                parts[best] += parts[best + 1];
                parts.RemoveAt(best + 1);
            }

            return parts.SequenceEqual(Embedded.Encode(text, allowSpecial: false).Ids.Select(Embedded.TextOf));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(1000));
    }

    [Theory]
    [InlineData('a')]
    [InlineData('e')]
    [InlineData(' ')]
    [InlineData('\n')]
    [InlineData('7')]
    [InlineData('漢')]
    [InlineData('!')]
    public void A_million_equal_characters_are_encoded(char character)
    {
        // A merge loop that looks at all pairs for each merge would need about 10^12 steps for one piece of this length.
        string text = new(character, 1 << 20);
        EncodedText encoded = Embedded.Encode(text, allowSpecial: true);
        Assert.Equal(text, Embedded.Decode(encoded.Ids, skipSpecial: false));
    }

    [Fact]
    public void Threads_that_share_a_tokeniser_get_the_same_tokens()
    {
        string[] texts = [.. Enumerable.Range(0, 400).Select(i => $"Text number {i * 7919} of the threads, word{i % 13} and\n more {i % 5}.")];
        Tokenizer tokenizer = TokenizerFactory.Create(VocabularyFile.Read(SharedFiles.EmbeddedModel));
        int[][] shared = [.. texts.AsParallel().AsOrdered().Select(t => tokenizer.Encode(t, allowSpecial: false).Ids)];
        Assert.Equal(texts.Select(t => Embedded.Encode(t, allowSpecial: false).Ids), shared);
    }

    [Fact]
    public void Whole_pieces_are_taken_before_merging_only_where_the_pre_tokeniser_says_so()
    {
        // "abc" is a token that no merge makes.
        TokenizerData data = Small(["a", "b", "c", "ab", "abc"], "a b");
        Assert.Equal([4], TokenizerFactory.Create(data with { Pre = "llama-bpe" }).Encode("abc", false).Ids);
        Assert.Equal([3, 2], TokenizerFactory.Create(data with { Pre = "smaug-bpe" }).Encode("abc", false).Ids);
    }

    [Fact]
    public void Bytes_without_a_token_are_dropped_and_counted()
    {
        EncodedText encoded = TokenizerFactory.Create(Small(["a", "b", "ab"], "a b")).Encode("xaéb", allowSpecial: false);
        Assert.Equal(3, encoded.DroppedBytes);
        Assert.Equal([2], encoded.Ids); // the neighbours of what is dropped are neighbours then, as in Hugging Face tokenizers
        Assert.Equal([1], encoded.Starts);
    }

    [Fact]
    public void Merges_that_cannot_happen_are_left_out_and_the_first_of_equal_ones_counts()
    {
        Tokenizer tokenizer = TokenizerFactory.Create(Small(["a", "b", "c", "ab", "bc"], "a x", "x b", "a c", "b c", "a b", "b c"));
        Assert.Equal([0, 4], tokenizer.Encode("abc", false).Ids);
    }

    internal static TokenizerData Small(string[] tokens, params string[] merges) =>
        new() { Model = "gpt2", Pre = "gpt-2", Tokens = tokens, Merges = merges };

    /// <summary>For each byte of the text's UTF-8, the UTF-16 offset of its character.</summary>
    private static int[] StartsOfBytes(string text)
    {
        var starts = new List<int>();
        for (int i = 0; i < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(i), out Rune rune, out int length);
            starts.AddRange(Enumerable.Repeat(i, rune.Utf8SequenceLength));
            i += length;
        }

        return [.. starts];
    }
}
