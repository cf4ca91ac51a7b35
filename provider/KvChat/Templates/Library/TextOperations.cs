using System.Text;

namespace KvChat.Templates;

/// <summary>What string methods and filters do to a text; origins go along with the characters.</summary>
internal static class TextOperations
{
    internal enum Case
    {
        Upper,
        Lower,
        Swap,
        /// <summary>A capital at the start, small letters after it.</summary>
        Capitalize,
        /// <summary>A capital at the start of each run of letters.</summary>
        Title,
    }

    internal static TextValue ChangeCase(TextValue text, Case to, Budget budget)
    {
        TextBuilder changed = new(budget);
        bool inWord = false;
        int width;
        for (int i = 0; i < text.Length; i += width)
        {
            width = text.WidthAt(i);
            Rune rune = Characters.RuneAt(text.Value, i);
            bool cased = Characters.IsCased(rune);
            if (!cased && width == 1 && char.IsSurrogate(text.Value[i]))
            {
                changed.Append(text, i, 1);
                inWord = false;
                continue;
            }

            string now = to switch
            {
                Case.Upper => Characters.Upper(text.Value, i, width),
                Case.Lower => Characters.Lower(text.Value, i, width),
                Case.Swap => Rune.IsUpper(rune) ? Characters.Lower(text.Value, i, width) : Rune.IsLower(rune) ? Characters.Upper(text.Value, i, width) : text.Value.Substring(i, width),
                Case.Capitalize => i == 0 ? Characters.Title(text.Value, i, width) : Characters.Lower(text.Value, i, width),
                _ => inWord ? Characters.Lower(text.Value, i, width) : Characters.Title(text.Value, i, width),
            };
            changed.Append(now, text.OriginAt(i));
            inWord = cased;
        }

        return changed.ToText(text.IsMarkup);
    }

    /// <summary>Strips white space, or the given characters, from the ends.</summary>
    internal static TextValue Strip(TextValue text, TextValue? characters, bool left, bool right, Budget budget)
    {
        HashSet<int>? set = characters is null ? null : [.. CodePoints(characters)];
        budget.Step((characters?.Length ?? 0) / 8);
        int start = 0, end = text.Length;
        while (left && start < end && IsStripped(text.Value, start, text.WidthAt(start), set))
            start += text.WidthAt(start);
        while (right && end > start)
        {
            int width = end - 2 >= start && text.WidthAt(end - 2) == 2 ? 2 : 1;
            if (!IsStripped(text.Value, end - width, width, set))
                break;
            end -= width;
        }

        budget.Characters(end - start);
        return text.Slice(start, end - start);
    }

    internal static TextValue Replace(TextValue text, TextValue old, TextValue replacement, long max, Budget budget)
    {
        if (text.IsMarkup)
            replacement = Html.Escape(replacement, budget);
        TextBuilder result = new(budget, "replace");
        int at = 0;
        foreach (int place in TextSearch.All(text, old.Value, max < 0 ? long.MaxValue : max, budget))
        {
            result.Append(text, at, place - at).Append(replacement);
            at = place + old.Length;
        }

        return result.Append(text, at, text.Length - at).ToText(text.IsMarkup);
    }

    internal static ListValue Split(TextValue text, TextValue? separator, long max, bool fromRight, Budget budget)
    {
        max = max < 0 ? long.MaxValue : max;
        List<TemplateValue> parts = separator is null ? SplitSpace(text, max, fromRight) : SplitAt(text, separator.Value, max, fromRight, budget);
        budget.Step(parts.Count);
        budget.Characters(text.Length);
        return new ListValue([.. parts], false);
    }

    internal static ListValue SplitLines(TextValue text, bool keepEnds, Budget budget)
    {
        List<TemplateValue> lines = [];
        int start = 0;
        while (start < text.Length)
        {
            int end = start;
            while (end < text.Length && !Characters.IsLineBreak(text.Value[end]))
                end++;
            int next = end == text.Length ? end : text.Value[end] == '\r' && end + 1 < text.Length && text.Value[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(text.Slice(start, (keepEnds ? next : end) - start));
            start = next;
        }

        budget.Step(lines.Count);
        budget.Characters(text.Length);
        return new ListValue([.. lines], false);
    }

    internal static TextValue Join(TextValue separator, IEnumerable<TextValue> parts, Budget budget)
    {
        TextBuilder joined = new(budget, "join");
        bool first = true;
        foreach (TextValue part in parts)
        {
            if (!first)
                joined.Append(separator);
            first = false;
            joined.Append(part);
        }

        return joined.ToText(separator.IsMarkup);
    }

    /// <summary>Pads to a width in code points. The padding belongs to the text, where that came from outside.</summary>
    internal static TextValue Pad(TextValue text, long before, long after, TextValue fill, Budget budget)
    {
        TextValue padding = text.Origin != 0 && fill.Origin == 0 ? new TextValue(fill.Value, text.Origin) : fill;
        return new TextBuilder(budget, "padding").Repeat(padding, before).Append(text).Repeat(padding, after).ToText(text.IsMarkup);
    }

    internal static IEnumerable<int> CodePoints(TextValue text)
    {
        for (int i = 0; i < text.Length; i += text.WidthAt(i))
            yield return text.WidthAt(i) == 2 ? char.ConvertToUtf32(text.Value[i], text.Value[i + 1]) : text.Value[i];
    }

    private static bool IsStripped(string text, int at, int width, HashSet<int>? set) => set is null
        ? Characters.IsSpace(text[at])
        : set.Contains(width == 2 ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at]);

    private static List<TemplateValue> SplitAt(TextValue text, string separator, long max, bool fromRight, Budget budget)
    {
        if (separator.Length == 0)
            throw new TemplateFault("split", "a text cannot be split at an empty separator");
        List<TemplateValue> parts = [];
        if (!fromRight)
        {
            int at = 0;
            foreach (int place in TextSearch.All(text, separator, max, budget))
            {
                parts.Add(text.Slice(at, place - at));
                at = place + separator.Length;
            }

            parts.Add(text.Slice(at, text.Length - at));
            return parts;
        }

        int end = text.Length;
        while (parts.Count < max && TextSearch.Last(text.Value, separator, 0, end, budget) is int place and >= 0)
        {
            budget.Step();
            parts.Add(text.Slice(place + separator.Length, end - place - separator.Length));
            end = place;
        }

        parts.Add(text.Slice(0, end));
        parts.Reverse();
        return parts;
    }

    private static List<TemplateValue> SplitSpace(TextValue text, long max, bool fromRight)
    {
        List<TemplateValue> parts = [];
        int start = 0, end = text.Length;
        while (true)
        {
            while (start < end && Characters.IsSpace(text.Value[fromRight ? end - 1 : start]))
                _ = fromRight ? end-- : start++;
            if (start == end)
                break;
            int edge = fromRight ? end : start;
            while (parts.Count < max && edge > start - 1 && (fromRight ? edge > start && !Characters.IsSpace(text.Value[edge - 1]) : edge < end && !Characters.IsSpace(text.Value[edge])))
                edge += fromRight ? -1 : 1;
            if (parts.Count == max)
                edge = fromRight ? start : end;
            parts.Add(fromRight ? text.Slice(edge, end - edge) : text.Slice(start, edge - start));
            (start, end) = fromRight ? (start, edge) : (edge, end);
        }

        if (fromRight)
            parts.Reverse();
        return parts;
    }
}
