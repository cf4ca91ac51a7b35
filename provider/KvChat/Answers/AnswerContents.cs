using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Answers;

/// <summary>Sorts an answer's text into contents as it comes: reasoning, calls of tools, text up to a stop sequence. One per answer.</summary>
/// <param name="reasoning">Tells reasoning apart; null where the model has none.</param>
/// <param name="calls">Reads calls; null where none can come.</param>
/// <param name="stops">Ends the text; the reader of calls has the same one.</param>
/// <param name="showsReasoning">Whether reasoning is given out.</param>
internal sealed class AnswerContents(ReasoningReader? reasoning, ToolCallReader? calls, StopSequenceMatcher stops, bool showsReasoning)
{
    private bool _reasoned;

    /// <summary>Whether any tool is called.</summary>
    public bool HasCalls => calls is { HasCalls: true };

    /// <summary>Whether a stop sequence was found; nothing comes behind it.</summary>
    public bool IsStopped => stops.IsStopped;

    /// <summary>Whether everything so far is text.</summary>
    public bool IsPlain => !HasCalls && !_reasoned;

    /// <summary>Takes a piece and gives the contents that are certain now.</summary>
    public List<AIContent> Append(string text) =>
        text.Length == 0 || IsStopped ? [] : reasoning is null ? Answer(text) : [.. reasoning.Append(text).SelectMany(Part)];

    /// <summary>The answer is over: gives what was held back.</summary>
    public List<AIContent> Flush()
    {
        if (IsStopped)
            return [];
        List<AIContent> contents = reasoning is null ? [] : [.. reasoning.Flush().SelectMany(Part)];
        if (calls is not null)
            contents.AddRange(calls.Flush());
        else if (!IsStopped)
            contents.AddRange(Text(stops.Flush()));
        return contents;
    }

    private List<AIContent> Part((bool IsReasoning, string Text) part)
    {
        if (!part.IsReasoning)
            return Answer(part.Text);
        _reasoned = true;
        return showsReasoning ? [new TextReasoningContent(part.Text)] : [];
    }

    private List<AIContent> Answer(string text) => calls is null ? Text(stops.Append(text)) : calls.Append(text);

    private static List<AIContent> Text(string text) => text.Length == 0 ? [] : [new TextContent(text)];
}
