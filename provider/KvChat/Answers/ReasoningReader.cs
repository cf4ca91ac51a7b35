using System.Text;

namespace KvChat.Answers;

/// <summary>
/// Tells an answer's reasoning, between <c>&lt;think&gt;</c> and <c>&lt;/think&gt;</c>, from the answer itself, while both come in pieces. Line breaks next to the marks
/// belong to neither. One per answer.
/// </summary>
/// <param name="inside">Whether the prompt has begun the reasoning.</param>
internal sealed class ReasoningReader(bool inside)
{
    /// <summary>Begins reasoning.</summary>
    public const string Open = "<think>";

    /// <summary>Ends it.</summary>
    public const string Close = "</think>";

    private readonly StringBuilder _held = new();
    private bool _inside = inside;
    private bool _atStart = true, _behindMark = inside;

    /// <summary>Takes a piece and gives the parts that are certain now, reasoning marked.</summary>
    public List<(bool IsReasoning, string Text)> Append(string text)
    {
        _held.Append(text);
        var parts = new List<(bool, string)>();
        while (Advance(parts))
        {
        }

        return parts;
    }

    /// <summary>The answer is over: gives what was held back.</summary>
    public List<(bool IsReasoning, string Text)> Flush()
    {
        var parts = new List<(bool, string)>();
        Add(parts, _held.ToString());
        _held.Clear();
        return parts;
    }

    private bool Advance(List<(bool, string)> parts)
    {
        string held = _held.ToString(), mark = _inside ? Close : Open;
        if (_behindMark && held.Length > 0)
        {
            held = held.TrimStart('\n');
            _held.Clear().Append(held);
            _behindMark = held.Length == 0;
        }

        if (!_inside && !_atStart)
        {
            Add(parts, held); // a model thinks before it answers; later marks are text
            _held.Clear();
            return false;
        }

        if (!_inside && held.TrimStart() is { Length: > 0 } begun && !begun.StartsWith(Open, StringComparison.Ordinal) && !Open.StartsWith(begun, StringComparison.Ordinal))
        {
            _atStart = false;
            return true;
        }

        int at = held.IndexOf(mark, StringComparison.Ordinal);
        if (at < 0)
        {
            int certain = _inside ? held.AsSpan(0, held.Length - Beginning.HeldBack(held, mark)).TrimEnd('\n').Length : 0;
            Add(parts, held[..certain]);
            _held.Remove(0, certain);
            return false;
        }

        if (_inside)
            Add(parts, held[..at].TrimEnd('\n'));
        _held.Clear().Append(held[(at + mark.Length)..]);
        _behindMark = true;
        _atStart = !_inside;
        _inside = !_inside;
        return _held.Length > 0;
    }

    private void Add(List<(bool, string)> parts, string text)
    {
        if (text.Length > 0)
            parts.Add((_inside, text));
    }
}
