using System.Text;
using KvChat.Runtime.Text;

namespace KvChat.Templates;

/// <summary>Writes a text with its origins, within the limits of one rendering.</summary>
internal sealed class TextBuilder(Budget budget, int maxLength, string construct)
{
    private readonly StringBuilder text = new();
    private readonly List<OriginRun> runs = [];
    private int covered;
    private Action<int, int>? addRun;

    internal TextBuilder(Budget budget, string construct = "string")
        : this(budget, budget.Limits.MaxTextLength, construct)
    {
    }

    internal int Length => text.Length;

    internal TextBuilder Append(TextValue value) => Append(value, 0, value.Length);

    /// <summary>Appends part of a text, in code units.</summary>
    internal TextBuilder Append(TextValue value, int start, int length)
    {
        if (length == 0)
            return this;
        Reserve(length);
        value.VisitRuns(start, length, addRun ??= AddRun);
        text.Append(value.Value, start, length);
        return this;
    }

    internal TextBuilder Append(ReadOnlySpan<char> value, int origin)
    {
        if (value.Length == 0)
            return this;
        Reserve(value.Length);
        AddRun(value.Length, origin);
        text.Append(value);
        return this;
    }

    internal TextBuilder Append(char value, int origin) => Append(new ReadOnlySpan<char>(in value), origin);

    internal TextBuilder Repeat(TextValue value, long times)
    {
        if (times <= 0 || value.Length == 0)
            return this;
        if (times > (maxLength - text.Length) / value.Length)
            throw TooLong();
        for (long i = 0; i < times; i++)
            Append(value);
        return this;
    }

    internal TextBuilder Repeat(char value, long times, int origin)
    {
        if (times <= 0)
            return this;
        if (times > maxLength - text.Length)
            throw TooLong();
        Reserve((int)times);
        AddRun((int)times, origin);
        text.Append(value, (int)times);
        return this;
    }

    internal TextValue ToText(bool isMarkup = false) => TextValue.From(text.ToString(), [.. runs], isMarkup);

    internal RenderedText ToRendered() => new(text.ToString(), [.. runs]);

    private void Reserve(int length)
    {
        if (length > maxLength - text.Length)
            throw TooLong();
        budget.Characters(length);
    }

    private TemplateFault TooLong() => new(construct, $"a {construct} of more than {maxLength} characters");

    private void AddRun(int length, int origin)
    {
        int start = covered;
        covered += length;
        if (runs.Count > 0 && runs[^1].Origin == origin)
        {
            runs[^1] = runs[^1] with { Length = runs[^1].Length + length };
            return;
        }

        // A run takes more room than the character that it may stand for.
        budget.Characters(6);
        runs.Add(new OriginRun(start, length, origin));
    }
}
