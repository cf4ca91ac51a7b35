using KvChat.Runtime.Text;

namespace KvChat.Templates;

/// <summary>
/// A string that remembers where each UTF-16 code unit came from. Positions that templates see count code points, as in Python;
/// positions inside the interpreter count code units.
/// </summary>
internal sealed class TextValue : TemplateValue
{
    internal static readonly TextValue Empty = new(string.Empty, 0);

    private readonly OriginRun[]? runs;
    private int surrogates = -1;

    /// <summary>A text of one origin.</summary>
    internal TextValue(string value, int origin, bool isMarkup = false)
        : base(origin)
    {
        Value = value;
        IsMarkup = isMarkup;
    }

    private TextValue(string value, OriginRun[] runs, int origin, bool isMarkup)
        : base(origin)
    {
        Value = value;
        IsMarkup = isMarkup;
        this.runs = runs;
    }

    internal string Value { get; }

    /// <summary>Marked by <c>safe</c> or <c>escape</c>: strings added to it are escaped for HTML.</summary>
    internal bool IsMarkup { get; }

    internal int Length => Value.Length;

    internal override string TypeName => "str";

    internal override bool IsTrue => Value.Length > 0;

    /// <summary>Whether code points and code units differ.</summary>
    internal bool HasSurrogates
    {
        get
        {
            if (surrogates < 0)
                surrogates = Value.AsSpan().ContainsAnyInRange('\ud800', '\udfff') ? 1 : 0;
            return surrogates == 1;
        }
    }

    /// <summary>Length in code points.</summary>
    internal int CodePoints
    {
        get
        {
            if (!HasSurrogates)
                return Value.Length;
            int count = 0;
            for (int i = 0; i < Value.Length; i += WidthAt(i))
                count++;
            return count;
        }
    }

    /// <summary>A text from runs that cover it; runs of one origin become one.</summary>
    internal static TextValue From(string value, OriginRun[] runs, bool isMarkup = false)
    {
        int first = 0;
        bool mixed = false;
        foreach (OriginRun run in runs)
        {
            mixed |= run.Origin != runs[0].Origin;
            if (first == 0)
                first = run.Origin;
        }

        return mixed ? new(value, runs, first, isMarkup) : new(value, first, isMarkup);
    }

    /// <summary>Code units of the code point at a code unit: 2 for a surrogate pair.</summary>
    internal int WidthAt(int index) =>
        char.IsHighSurrogate(Value[index]) && index + 1 < Value.Length && char.IsLowSurrogate(Value[index + 1]) ? 2 : 1;

    /// <summary>Code unit at which the code point of a number starts; the length for the number after the last.</summary>
    internal int UnitOf(int codePoint)
    {
        if (!HasSurrogates)
            return codePoint;
        int unit = 0;
        for (; codePoint > 0 && unit < Value.Length; codePoint--)
            unit += WidthAt(unit);
        return unit;
    }

    /// <summary>Number of code points before a code unit.</summary>
    internal int CodePointOf(int unit)
    {
        if (!HasSurrogates)
            return unit;
        int count = 0;
        for (int i = 0; i < unit; i += WidthAt(i))
            count++;
        return count;
    }

    internal int OriginAt(int unit) => runs is null ? Origin : runs[RunAt(unit)].Origin;

    /// <summary>Calls back with length and origin of each run within part of the text, in order.</summary>
    internal void VisitRuns(int start, int length, Action<int, int> visit)
    {
        if (length == 0)
            return;
        if (runs is null)
        {
            visit(length, Origin);
            return;
        }

        for (int i = RunAt(start); i < runs.Length && runs[i].Start < start + length; i++)
        {
            int from = Math.Max(runs[i].Start, start), to = Math.Min(runs[i].Start + runs[i].Length, start + length);
            if (from < to)
                visit(to - from, runs[i].Origin);
        }
    }

    /// <summary>Part of the text, in code units.</summary>
    internal TextValue Slice(int start, int length)
    {
        if (start == 0 && length == Value.Length)
            return this;
        string part = Value.Substring(start, length);
        if (runs is null)
            return new TextValue(part, length == 0 ? 0 : Origin, IsMarkup);
        List<OriginRun> cut = [];
        int at = 0;
        VisitRuns(start, length, (count, origin) =>
        {
            cut.Add(new OriginRun(at, count, origin));
            at += count;
        });
        return From(part, [.. cut], IsMarkup);
    }

    internal TextValue AsMarkup(bool markup) =>
        markup == IsMarkup ? this : runs is null ? new(Value, Origin, markup) : new(Value, runs, Origin, markup);

    private int RunAt(int unit)
    {
        int low = 0, high = runs!.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (runs[middle].Start <= unit)
                low = middle;
            else
                high = middle - 1;
        }

        return low;
    }
}
