using FsCheck;
using FsCheck.Fluent;
using KvChat.Answers;

namespace KvChat.Tests.Answers;

public sealed class StopSequenceMatcherTests
{
    [Theory]
    [InlineData("a stop b", "stop", "a ")]
    [InlineData("stop", "stop", "")]
    [InlineData("no such thing", "stop", "no such thing")]
    [InlineData("sstop", "stop", "s")]
    [InlineData("stostop", "stop", "sto")]
    [InlineData("ends with sto", "stop", "ends with sto")]
    [InlineData("aab", "aab", "")]
    [InlineData("aaab", "aab", "a")]
    public void Text_ends_before_the_sequence_however_it_is_cut(string text, string stop, string expected)
    {
        for (int size = 1; size <= text.Length; size++)
            Assert.Equal(expected, Feed(Cut(text, size), stop).Text);
    }

    [Fact]
    public void A_beginning_of_a_sequence_is_held_back_and_given_out_at_the_end()
    {
        var matcher = new StopSequenceMatcher(["</end>"]);
        Assert.Equal("text", matcher.Append("text</e"));
        Assert.Equal("</ex", matcher.Append("x"));
        Assert.Equal("", matcher.Append("<"));
        Assert.Equal("<", matcher.Flush());
        Assert.False(matcher.IsStopped);
    }

    [Fact]
    public void Nothing_comes_after_a_sequence()
    {
        var matcher = new StopSequenceMatcher(["\n"]);
        Assert.Equal("one", matcher.Append("one\ntwo"));
        Assert.True(matcher.IsStopped);
        Assert.Equal("", matcher.Append("three"));
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void The_sequence_that_is_complete_first_counts_and_of_two_the_longer()
    {
        Assert.Equal("a", Feed(["abcd"], "abcd", "b").Text);
        Assert.Equal("x", Feed(["xabc"], "c", "abc").Text);
    }

    [Fact]
    public void Any_cut_of_any_text_gives_what_the_whole_gives()
    {
        Gen<string> text = Gen.Elements('a', 'b', 'c').ArrayOf().Select(c => new string(c));
        Gen<string> stop = Gen.Elements('a', 'b', 'c').NonEmptyListOf().Select(c => new string([.. c.Take(4)]));
        Gen<(string, List<string>, int)> cases =
            from t in text
            from s in stop.NonEmptyListOf()
            from size in Gen.Choose(1, 5)
            select (t, s.Take(3).ToList(), size);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            (string t, List<string> stops, int size) = c;
            string expected = Reference(t, stops);
            return Feed(Cut(t, size), [.. stops]).Text == expected;
        }).QuickCheckThrowOnFailure();
    }

    /// <summary>The definition, on the whole text: cut before the longest sequence that ends at the first place where any ends.</summary>
    private static string Reference(string text, List<string> stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            int longest = stops.Where(s => text[..end].EndsWith(s, StringComparison.Ordinal)).Select(s => s.Length).DefaultIfEmpty(0).Max();
            if (longest > 0)
                return text[..(end - longest)];
        }

        return text;
    }

    private static IEnumerable<string> Cut(string text, int size) => text.Chunk(size).Select(c => new string(c));

    private static (string Text, bool Stopped) Feed(IEnumerable<string> pieces, params string[] stops)
    {
        var matcher = new StopSequenceMatcher(stops);
        string text = string.Concat(pieces.Select(matcher.Append)) + matcher.Flush();
        return (text, matcher.IsStopped);
    }
}
