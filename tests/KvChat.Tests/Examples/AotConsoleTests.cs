namespace KvChat.Tests.Examples;

/// <summary>The console that is compiled ahead of time, here on the runtime; <c>.ci/run</c> compiles it and asks the same.</summary>
public sealed class AotConsoleTests
{
    private const string Question = "What is the gate code of the Stouceess quarry?", Answer = "The gate code of the Stouceess quarry is 409-VQ.";

    [Fact]
    public async Task A_question_on_the_command_line_is_answered_with_nothing_around()
    {
        using StringWriter output = new(), errors = new();
        Assert.Equal(0, await AotConsole.Chat.RunAsync(["--ask", Question], TextReader.Null, output, errors));
        Assert.Equal((Answer, ""), (output.ToString().Trim(), errors.ToString()));
    }

    [Fact]
    public async Task A_conversation_reads_its_document_once()
    {
        using StringReader input = new($"{Question}\n{Question}\n\n");
        using StringWriter output = new(), errors = new();
        Assert.Equal(0, await AotConsole.Chat.RunAsync([], input, output, errors));
        string[] counts = [.. output.ToString().Split('\n').Where(l => l.Contains("read before", StringComparison.Ordinal))];
        Assert.Equal(2, counts.Length);
        Assert.Contains(", 0 of them read before", counts[0], StringComparison.Ordinal);
        Assert.DoesNotContain(", 0 of them read before", counts[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "--nonsense", "1")]
    [InlineData(2, "--ask")]
    [InlineData(1, "--model", "/no/such/model.gguf")]
    public async Task What_cannot_be_done_is_said(int code, params string[] args)
    {
        using StringWriter output = new(), errors = new();
        Assert.Equal(code, await AotConsole.Chat.RunAsync(args, TextReader.Null, output, errors));
        Assert.NotEmpty(errors.ToString());
    }
}
