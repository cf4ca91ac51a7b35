using KvChat.Answers;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Tools;

/// <summary>Calls are found in an answer however it is cut into pieces.</summary>
public sealed class ToolCallReaderTests
{
    private const string Two = "<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": \"</tool_call>\", \"n\": 2}}\n</tool_call>\n<tool_call>\n{\"name\": \"go\", \"arguments\": {}}\n</tool_call>";

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Calls_are_read_from_pieces_of_any_size(int size)
    {
        (string text, List<FunctionCallContent> calls) = Read(ToolCallSyntax.Hermes, "I look.\n" + Two, size);
        Assert.Equal("I look.", text);
        Assert.Equal(["look", "go"], calls.Select(c => c.Name));
        Assert.Equal("</tool_call>", calls[0].Arguments!["at"]!.ToString()); // the mark inside a string ends nothing
        Assert.Equal("2", calls[0].Arguments!["n"]!.ToString());
        Assert.NotEqual(calls[0].CallId, calls[1].CallId);
    }

    [Theory]
    [InlineData("a < b and <tool_cal")]
    [InlineData("<tool_call>\n{\"name\": \"look\", \"argu")]
    [InlineData("<tool_call>nothing</tool_call>")]
    public void What_is_no_whole_call_stays_text(string answer)
    {
        for (int size = 1; size < 9; size++)
        {
            (string text, List<FunctionCallContent> calls) = Read(ToolCallSyntax.Hermes, answer, size);
            Assert.Equal(answer, text);
            Assert.Empty(calls);
        }
    }

    [Fact]
    public void Text_after_white_space_is_whole()
    {
        for (int size = 1; size < 9; size++)
            Assert.Equal("a \n b  c\n", Read(ToolCallSyntax.Hermes, "a \n b  c\n", size).Text);
    }

    [Fact]
    public void Arrays_and_bare_objects_are_read_at_the_end()
    {
        Assert.Equal(["a", "b"], Read(ToolCallSyntax.Mistral, "[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {}}]", 5).Calls.Select(c => c.Name));
        Assert.Equal(["a"], Read(ToolCallSyntax.Phi, "<|tool_call|>[{\"name\": \"a\", \"arguments\": {}}]<|/tool_call|>", 5).Calls.Select(c => c.Name));
        Assert.Equal(["a"], Read(ToolCallSyntax.Llama, "{\"name\": \"a\", \"parameters\": {\"x\": 1}}", 5).Calls.Select(c => c.Name));
        Assert.Empty(Read(ToolCallSyntax.Llama, "Use {\"name\": \"a\", \"parameters\": {}}.", 5).Calls);
    }

    [Fact]
    public void Names_before_their_arguments_are_read()
    {
        const string two = "[TOOL_CALLS]look[ARGS]{\"at\": \"}[TOOL_CALLS]\", \"x\": {\"n\": 2}}[TOOL_CALLS]go[ARGS]{}";
        for (int size = 1; size < 40; size++)
        {
            (string text, List<FunctionCallContent> calls) = Read(ToolCallSyntax.Devstral, "I look. " + two, size);
            Assert.Equal("I look.", text);
            Assert.Equal(["look", "go"], calls.Select(c => c.Name));
            Assert.Equal("}[TOOL_CALLS]", calls[0].Arguments!["at"]!.ToString());
            Assert.Equal("[TOOL_CALLS]look[ARGS]{\"a", Read(ToolCallSyntax.Devstral, "[TOOL_CALLS]look[ARGS]{\"a", size).Text);
        }
    }

    [Theory]
    [InlineData("look", "I ", 0)] // in the text before the calls
    [InlineData("\n", "I look.", 0)]
    [InlineData("name", "I look.\nSo I did.", 2)] // within calls only
    [InlineData("tool_call", "I look.\nSo I did.", 2)] // within their marks only
    [InlineData("\n<tool", "I look.\nSo I did.", 2)] // no call is text
    [InlineData("So", "I look.", 2)]
    public void Stop_sequences_end_text_and_cut_no_call(string stop, string expected, int count)
    {
        for (int size = 1; size < 30; size++)
        {
            (string text, List<FunctionCallContent> calls) = Read(ToolCallSyntax.Hermes, "I look.\n" + Two + "\nSo I did.", size, stop);
            Assert.Equal(expected, text);
            Assert.Equal(count, calls.Count);
        }
    }

    [Fact]
    public void A_bare_object_is_a_call_whatever_stops_text()
    {
        Assert.Equal(["a"], Read(ToolCallSyntax.Llama, "{\"name\": \"a\", \"parameters\": {\"x\": 1}}", 3, "name").Calls.Select(c => c.Name));
        Assert.Equal("Use {\"", Read(ToolCallSyntax.Llama, "Use {\"name\": \"a\"}", 3, "name").Text);
    }

    private static (string Text, List<FunctionCallContent> Calls) Read(ToolCallSyntax syntax, string answer, int size, params string[] stops)
    {
        var reader = new ToolCallReader(syntax, new StopSequenceMatcher(stops));
        List<AIContent> contents = [];
        for (int i = 0; i < answer.Length; i += size)
            contents.AddRange(reader.Append(answer.Substring(i, Math.Min(size, answer.Length - i))));
        contents.AddRange(reader.Flush());
        return (string.Concat(contents.OfType<TextContent>().Select(c => c.Text)), [.. contents.OfType<FunctionCallContent>()]);
    }
}
