using System.Globalization;
using System.Text;

namespace KvChat.Templates;

/// <summary>Python's <c>str()</c> and <c>repr()</c> of values. Whatever is written for a value has the value's origin.</summary>
internal static class Printer
{
    private const string HexDigits = "0123456789abcdef";

    /// <summary>The value as <c>{{ }}</c> prints it.</summary>
    internal static TextValue Str(TemplateValue value, Budget budget)
    {
        if (value is TextValue text)
            return text;
        if (value is UndefinedValue)
            return TextValue.Empty;
        TextBuilder target = new(budget);
        Repr(value, target, budget);
        return target.ToText();
    }

    internal static TextValue Repr(TemplateValue value, Budget budget)
    {
        TextBuilder target = new(budget);
        Repr(value, target, budget);
        return target.ToText();
    }

    internal static void Repr(TemplateValue value, TextBuilder target, Budget budget)
    {
        budget.Enter();
        budget.Step();
        switch (value)
        {
            case TextValue text:
                ReprText(text, target);
                break;
            case NullValue:
                target.Append("None", value.Origin);
                break;
            case BooleanValue b:
                target.Append(b.Value ? "True" : "False", value.Origin);
                break;
            case IntegerValue i:
                target.Append(i.Value.ToString(CultureInfo.InvariantCulture), value.Origin);
                break;
            case FloatValue f:
                target.Append(Numbers.Repr(f.Value), value.Origin);
                break;
            case ListValue list:
                ReprItems(list.Items, list.IsTuple ? "(" : "[", list.IsTuple ? list.Items.Length == 1 ? ",)" : ")" : "]", list.Origin, target, budget);
                break;
            case MapValue map:
                ReprEntries(map.Entries, map.Origin, target, budget);
                break;
            case MapViewValue view:
                target.Append(view.TypeName, view.Origin);
                ReprItems(view.Elements(), "([", "])", view.Origin, target, budget);
                break;
            case RangeValue range:
                target.Append(range.Step.IsOne ? $"range({range.Start}, {range.Stop})" : $"range({range.Start}, {range.Stop}, {range.Step})", range.Origin);
                break;
            case NamespaceValue space:
                target.Append("<Namespace ", 0);
                ReprEntries(space.Attributes.Select(a => new KeyValuePair<TemplateValue, TemplateValue>(new TextValue(a.Key, 0), a.Value)), 0, target, budget);
                target.Append(">", 0);
                break;
            case UndefinedValue:
                target.Append("Undefined", 0);
                break;
            default:
                target.Append($"<{value.TypeName}>", value.Origin);
                break;
        }

        budget.Leave();
    }

    private static void ReprItems(IEnumerable<TemplateValue> items, string open, string close, int origin, TextBuilder target, Budget budget)
    {
        target.Append(open, origin);
        bool first = true;
        foreach (TemplateValue item in items)
        {
            if (!first)
                target.Append(", ", origin);
            first = false;
            Repr(item, target, budget);
        }

        target.Append(close, origin);
    }

    private static void ReprEntries(IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> entries, int origin, TextBuilder target, Budget budget)
    {
        target.Append("{", origin);
        bool first = true;
        foreach ((TemplateValue key, TemplateValue value) in entries)
        {
            if (!first)
                target.Append(", ", origin);
            first = false;
            Repr(key, target, budget);
            target.Append(": ", origin);
            Repr(value, target, budget);
        }

        target.Append("}", origin);
    }

    private static void ReprText(TextValue text, TextBuilder target)
    {
        char quote = text.Value.Contains('\'', StringComparison.Ordinal) && !text.Value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        target.Append(quote, text.Origin);
        int width;
        for (int i = 0; i < text.Length; i += width)
        {
            width = text.WidthAt(i);
            int origin = text.OriginAt(i);
            char c = text.Value[i];
            string? escape = c switch { '\n' => "\\n", '\r' => "\\r", '\t' => "\\t", '\\' => "\\\\", _ => c == quote ? "\\" + quote : null };
            if (escape is null && (c is < ' ' or '\x7f' || (c > '\x7f' && (!Rune.TryGetRuneAt(text.Value, i, out Rune rune) || !Characters.IsPrintable(rune)))))
                escape = Escape(width == 2 ? char.ConvertToUtf32(c, text.Value[i + 1]) : c);
            if (escape is null)
                target.Append(text, i, width);
            else
                target.Append(escape, origin);
        }

        target.Append(quote, text.Origin);
    }

    private static string Escape(int codePoint)
    {
        (char kind, int digits) = codePoint switch { < 0x100 => ('x', 2), < 0x10000 => ('u', 4), _ => ('U', 8) };
        StringBuilder escape = new("\\" + kind);
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
            escape.Append(HexDigits[(codePoint >> shift) & 15]);
        return escape.ToString();
    }
}
