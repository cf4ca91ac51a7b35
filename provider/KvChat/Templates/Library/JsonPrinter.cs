using System.Globalization;

namespace KvChat.Templates;

/// <summary>
/// <c>tojson</c> as Hugging Face transformers sets it up: Python's <c>json.dumps</c> with <c>ensure_ascii=False</c> and no escapes for HTML.
/// Quotes and escapes have the origin of their string, other punctuation that of its list or map.
/// </summary>
internal sealed class JsonPrinter(Budget budget)
{
    private readonly TextBuilder target = new(budget, "tojson");

    /// <summary>Text of one level of indentation, or null for one line.</summary>
    internal string? Indent { get; init; }

    internal TextValue ItemSeparator { get; init; } = new(", ", 0);

    internal TextValue KeySeparator { get; init; } = new(": ", 0);

    internal bool AsciiOnly { get; init; }

    internal bool SortKeys { get; init; }

    internal TextValue Print(TemplateValue value)
    {
        Write(value, 0);
        return target.ToText();
    }

    private void Write(TemplateValue value, int level)
    {
        budget.Enter();
        budget.Step();
        switch (value)
        {
            case TextValue text:
                WriteText(text);
                break;
            case NullValue or BooleanValue or IntegerValue or FloatValue:
                target.Append(Scalar(value), value.Origin);
                break;
            case ListValue list:
                WriteItems(list.Items, level, list.Origin);
                break;
            case MapValue map:
                WriteEntries(map, level);
                break;
            default:
                throw (value as UndefinedValue)?.Fault() ?? new TemplateFault("tojson", $"a '{value.TypeName}' has no JSON form");
        }

        budget.Leave();
    }

    private static string Scalar(TemplateValue value) => value switch
    {
        BooleanValue b => b.Value ? "true" : "false",
        IntegerValue i => i.Value.ToString(CultureInfo.InvariantCulture),
        FloatValue f => Numbers.Repr(f.Value) switch { "nan" => "NaN", "inf" => "Infinity", "-inf" => "-Infinity", string digits => digits },
        _ => "null",
    };

    private void WriteItems(TemplateValue[] items, int level, int origin)
    {
        target.Append('[', origin);
        for (int i = 0; i < items.Length; i++)
        {
            Separate(i == 0, level + 1, origin);
            Write(items[i], level + 1);
        }

        Close(']', items.Length, level, origin);
    }

    private void WriteEntries(MapValue map, int level)
    {
        target.Append('{', map.Origin);
        IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> entries = SortKeys
            ? StableSort.By([.. map.Entries], e => e.Key, reverse: false, "tojson")
            : map.Entries;
        bool first = true;
        foreach ((TemplateValue key, TemplateValue value) in entries)
        {
            Separate(first, level + 1, map.Origin);
            first = false;
            WriteText(key switch
            {
                TextValue text => text,
                NullValue or BooleanValue or IntegerValue or FloatValue => new TextValue(Scalar(key), key.Origin),
                _ => throw new TemplateFault("tojson", $"a key of a JSON object cannot be a '{key.TypeName}'"),
            });
            Punctuation(KeySeparator, map.Origin);
            Write(value, level + 1);
        }

        Close('}', map.Entries.Count, level, map.Origin);
    }

    private void Separate(bool first, int level, int origin)
    {
        if (!first)
            Punctuation(ItemSeparator, origin);
        NewLine(level, origin);
    }

    private void Close(char bracket, int count, int level, int origin)
    {
        if (count > 0)
            NewLine(level, origin);
        target.Append(bracket, origin);
    }

    private void NewLine(int level, int origin)
    {
        if (Indent is null)
            return;
        target.Append('\n', origin);
        target.Repeat(new TextValue(Indent, origin), level);
    }

    /// <summary>A separator that the template gave still counts as the value's where the value came from outside.</summary>
    private void Punctuation(TextValue separator, int origin)
    {
        if (origin == 0)
            target.Append(separator);
        else
            target.Append(separator.Value, origin);
    }

    private void WriteText(TextValue text)
    {
        target.Append('"', text.Origin);
        int plain = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text.Value[i];
            if (c is >= ' ' and not '"' and not '\\' && (!AsciiOnly || c < '\x7f'))
                continue;
            string escape = c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                _ => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
            };
            target.Append(text, plain, i - plain);
            target.Append(escape, text.OriginAt(i));
            plain = i + 1;
        }

        target.Append(text, plain, text.Length - plain);
        target.Append('"', text.Origin);
    }
}
