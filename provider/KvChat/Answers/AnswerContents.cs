using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Answers;

/// <summary>Sorts an answer's text into contents as it comes: reasoning, calls of tools, text. One per answer.</summary>
/// <param name="reasoning">Tells reasoning apart; null where the model has none.</param>
/// <param name="calls">Reads calls; null where none can come.</param>
/// <param name="showsReasoning">Whether reasoning is given out.</param>
internal sealed class AnswerContents(ReasoningReader? reasoning, ToolCallReader? calls, bool showsReasoning)
{
    private bool _reasoned;

    /// <summary>Whether any tool is called.</summary>
    public bool HasCalls => calls is { HasCalls: true };

    /// <summary>Whether everything so far is text.</summary>
    public bool IsPlain => !HasCalls && !_reasoned;

    /// <summary>Takes a piece and gives the contents that are certain now.</summary>
    public List<AIContent> Append(string text) =>
        text.Length == 0 ? [] : reasoning is null ? Answer(text) : [.. reasoning.Append(text).SelectMany(Part)];

    /// <summary>The answer is over: gives what was held back.</summary>
    public List<AIContent> Flush()
    {
        List<AIContent> contents = reasoning is null ? [] : [.. reasoning.Flush().SelectMany(Part)];
        if (calls is not null)
            contents.AddRange(calls.Flush());
        return contents;
    }

    private List<AIContent> Part((bool IsReasoning, string Text) part)
    {
        if (!part.IsReasoning)
            return Answer(part.Text);
        _reasoned = true;
        return showsReasoning ? [new TextReasoningContent(part.Text)] : [];
    }

    private List<AIContent> Answer(string text) => calls is null ? [new TextContent(text)] : calls.Append(text);
}
