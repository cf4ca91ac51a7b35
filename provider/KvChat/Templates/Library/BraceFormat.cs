using System.Globalization;

namespace KvChat.Templates;

/// <summary>Python's <c>str.format</c>, with attributes and elements as templates see them.</summary>
internal static class BraceFormat
{
    private const int MaxDigits = 9;

    internal static TextValue Format(Interpreter machine, TextValue format, Arguments arguments)
    {
        TextBuilder target = new(machine.Budget, "format");
        int next = 0;
        Write(machine, format, arguments, target, ref next, 0);
        return target.ToText(format.IsMarkup);
    }

    private static void Write(Interpreter machine, TextValue format, Arguments arguments, TextBuilder target, ref int next, int depth)
    {
        if (depth > 1)
            throw arguments.Fault("nests fields too deeply");
        string text = format.Value;
        int position = 0;
        while (position < text.Length)
        {
            int brace = text.AsSpan(position).IndexOfAny('{', '}');
            brace = brace < 0 ? text.Length : brace + position;
            target.Append(format, position, brace - position);
            if (brace == text.Length)
                return;
            if (brace + 1 < text.Length && text[brace + 1] == text[brace])
            {
                target.Append(format, brace, 1);
                position = brace + 2;
                continue;
            }

            if (text[brace] == '}')
                throw arguments.Fault("found a single '}'");
            int end = EndOfField(text, brace, arguments);
            WriteField(machine, format.Slice(brace + 1, end - brace - 1), format.IsMarkup, arguments, target, ref next, depth);
            position = end + 1;
        }
    }

    private static int EndOfField(string text, int brace, Arguments arguments)
    {
        int open = 0;
        for (int i = brace; i < text.Length; i++)
        {
            open += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
            if (open == 0)
                return i;
        }

        throw arguments.Fault("found a '{' without '}'");
    }

    private static void WriteField(Interpreter machine, TextValue field, bool markup, Arguments arguments, TextBuilder target, ref int next, int depth)
    {
        int nameEnd = field.Value.AsSpan().IndexOfAny(':', '!');
        string name = nameEnd < 0 ? field.Value : field.Value[..nameEnd];
        TemplateValue value = Find(name, arguments, ref next);
        int at = nameEnd < 0 ? field.Length : nameEnd;
        if (at < field.Length && field.Value[at] == '!')
        {
            char conversion = at + 1 < field.Length ? field.Value[at + 1] : '\0';
            value = conversion switch
            {
                's' => Printer.Str(value, machine.Budget),
                'r' or 'a' => Printer.Repr(value, machine.Budget),
                _ => throw arguments.Fault($"has the unknown conversion '!{conversion}'"),
            };
            at += 2;
            if (at < field.Length && field.Value[at] != ':')
                throw arguments.Fault("needs ':' after a conversion");
        }

        TextBuilder spec = new(machine.Budget, "format");
        if (at < field.Length)
            Write(machine, field.Slice(at + 1, field.Length - at - 1), arguments, spec, ref next, depth + 1);
        TextValue written = FormatSpec.Apply(value, spec.ToText(), machine.Budget);
        target.Append(markup ? Html.Escape(written, machine.Budget) : written);
    }

    private static TemplateValue Find(string path, Arguments arguments, ref int next)
    {
        int end = path.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? path : path[..end];
        TemplateValue value;
        if (first.Length == 0 || (first.Length <= MaxDigits && first.All(char.IsAsciiDigit)))
        {
            int index = first.Length == 0 ? next++ : int.Parse(first, CultureInfo.InvariantCulture);
            value = index < arguments.Positional.Count ? arguments.Positional[index] : throw arguments.Fault($"has no value number {index}");
        }
        else
        {
            value = arguments.Named.FirstOrDefault(a => a.Key == first).Value ?? throw arguments.Fault($"has no value named '{first}'");
        }

        while (end >= 0 && end < path.Length)
        {
            bool attribute = path[end] == '.';
            int start = end + 1;
            end = attribute ? path.AsSpan(start).IndexOfAny('.', '[') : path.IndexOf(']', start) - start;
            end = end < 0 ? attribute ? path.Length : throw arguments.Fault("found a '[' without ']'") : end + start;
            string part = path[start..end];
            bool isIndex = !attribute && part.Length is > 0 and <= MaxDigits && part.All(char.IsAsciiDigit);
            value = attribute ? Access.Attribute(value, new TextValue(part, 0))
                : Access.Item(value, isIndex ? TemplateValue.FromInt64(long.Parse(part, CultureInfo.InvariantCulture)) : new TextValue(part, 0));
            end += attribute ? 0 : 1;
            if (end < path.Length && path[end] is not ('.' or '['))
                throw arguments.Fault("needs '.' or '[' after ']'");
        }

        return value;
    }
}
