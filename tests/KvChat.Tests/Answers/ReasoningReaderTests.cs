using KvChat.Answers;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Answers;

public sealed class ReasoningReaderTests
{
    [Theory]
    [InlineData(false, "<think>\na b\n</think>\n\nThe answer.", "a b", "The answer.")]
    [InlineData(true, "a b\n</think>\n\nThe answer.", "a b", "The answer.")]
    [InlineData(true, "still at it", "still at it", "")]
    [InlineData(false, "No <think> here </think>.", "", "No <think> here </think>.")]
    [InlineData(false, "<think>\n\n</think>\n\nThe answer.\n\nMore.\n", "", "The answer.\n\nMore.\n")]
    [InlineData(true, "\na\n\nb\n<b>\n</think>The answer.", "a\n\nb\n<b>", "The answer.")]
    [InlineData(false, "<thin ice", "", "<thin ice")]
    public void Reasoning_is_told_from_the_answer_however_the_text_is_cut(bool inside, string text, string reasoning, string answer)
    {
        foreach (int size in (int[])[1, 2, 3, 7, 1000])
        {
            var contents = new AnswerContents(new ReasoningReader(inside), null, new StopSequenceMatcher([]), showsReasoning: true);
            List<AIContent> all = [];
            for (int at = 0; at < text.Length; at += size)
                all.AddRange(contents.Append(text.Substring(at, Math.Min(size, text.Length - at))));
            all.AddRange(contents.Flush());
            Assert.Equal(reasoning, string.Concat(all.OfType<TextReasoningContent>().Select(c => c.Text)));
            Assert.Equal(answer, string.Concat(all.OfType<TextContent>().Select(c => c.Text)));
            Assert.Equal(reasoning.Length == 0, contents.IsPlain);
        }
    }

    [Fact]
    public void Reasoning_that_is_not_wanted_is_left_out()
    {
        var contents = new AnswerContents(new ReasoningReader(true), null, new StopSequenceMatcher([]), showsReasoning: false);
        List<AIContent> all = [.. contents.Append("secret</think>open"), .. contents.Flush()];
        Assert.Equal("open", Assert.IsType<TextContent>(Assert.Single(all)).Text);
    }

    [Fact]
    public void Stop_sequences_end_the_answer_and_not_the_reasoning()
    {
        const string answer = "one\n\ntwo</think>\n\nthree\n\nfour";
        for (int size = 1; size < 12; size++)
        {
            var contents = new AnswerContents(new ReasoningReader(true), null, new StopSequenceMatcher(["\n\n"]), showsReasoning: true);
            List<AIContent> found = [];
            for (int i = 0; i < answer.Length; i += size)
                found.AddRange(contents.Append(answer.Substring(i, Math.Min(size, answer.Length - i))));
            found.AddRange(contents.Flush());
            Assert.Equal("one\n\ntwo", string.Concat(found.OfType<TextReasoningContent>().Select(c => c.Text)));
            Assert.Equal("three", string.Concat(found.OfType<TextContent>().Select(c => c.Text)));
            Assert.True(contents.IsStopped);
        }
    }
}
