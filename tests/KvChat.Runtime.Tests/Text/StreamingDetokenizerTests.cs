using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Text;

namespace KvChat.Runtime.Tests.Text;

public sealed class StreamingDetokenizerTests
{
    private static readonly Tokenizer Embedded = VocabularyFile.Embedded;

    // Single bytes come first in the embedded vocabulary; favouring them makes broken and cut characters common.
    private static readonly Arbitrary<int[]> Ids =
        Gen.OneOf(Gen.Choose(0, Embedded.VocabularySize - 1), Gen.Choose(0, 258), Gen.Choose(120, 258)).ArrayOf().ToArbitrary();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pieces_together_are_what_decoding_gives_at_once(bool skipSpecial)
    {
        var streaming = new StreamingDetokenizer(Embedded, skipSpecial);
        Prop.ForAll(Ids, ids =>
            string.Concat(ids.Select(streaming.Append)) + streaming.Flush() == Embedded.Decode(ids, skipSpecial))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void No_piece_cuts_a_character() =>
        Prop.ForAll(Texts.Any, text =>
        {
            text = Texts.Mend(text);
            var streaming = new StreamingDetokenizer(Embedded);
            string[] pieces = [.. Embedded.Encode(text, allowSpecial: false).Ids.Select(streaming.Append), streaming.Flush()];
            return string.Concat(pieces) == text && pieces.All(p => Texts.Mend(p) == p) && pieces[^1].Length == 0;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    [Fact]
    public void Unfinished_character_shows_when_it_is_clear_that_nothing_follows()
    {
        var streaming = new StreamingDetokenizer(Embedded);
        int[] ids = Embedded.Encode("🙂", allowSpecial: false).Ids;
        Assert.Equal(4, ids.Length);
        Assert.Equal("", streaming.Append(ids[0]) + streaming.Append(ids[1]) + streaming.Append(ids[2]));
        Assert.Equal("\uFFFD", streaming.Flush());
        Assert.Equal("🙂", string.Concat(ids.Select(streaming.Append)));
    }

    [Fact]
    public void Nothing_is_allocated_where_nothing_is_emitted()
    {
        var streaming = new StreamingDetokenizer(Embedded);
        int[] ids = Embedded.Encode("🙂", allowSpecial: false).Ids;
        streaming.Append(ids[0]);
        streaming.Flush();
        long before = GC.GetAllocatedBytesForCurrentThread();
        streaming.Append(ids[0]);
        streaming.Append(ids[1]);
        streaming.Append(ids[2]);
        streaming.Append(Embedded.EosId!.Value);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2048)]
    [InlineData(int.MaxValue)]
    public void A_token_that_does_not_exist_is_refused(int id)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new StreamingDetokenizer(Embedded).Append(id));
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedded.Decode([id], skipSpecial: false));
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedded.TextOf(id));
    }
}
