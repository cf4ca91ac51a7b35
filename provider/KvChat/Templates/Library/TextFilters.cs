using System.Text;

namespace KvChat.Templates;

/// <summary>Filters that make texts.</summary>
internal static class TextFilters
{
    internal static TextValue String(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        return Printer.Str(value, machine.Budget);
    }

    internal static TextValue Safe(Interpreter machine, TemplateValue value, Arguments arguments) => String(machine, value, arguments).AsMarkup(true);

    internal static TextValue Escape(Interpreter machine, TemplateValue value, Arguments arguments) => Html.Escape(String(machine, value, arguments), machine.Budget);

    internal static TextValue ForceEscape(Interpreter machine, TemplateValue value, Arguments arguments) =>
        Html.Escape(String(machine, value, arguments).AsMarkup(false), machine.Budget);

    internal static TextValue Case(Interpreter machine, TemplateValue value, Arguments arguments, TextOperations.Case to) =>
        TextOperations.ChangeCase(String(machine, value, arguments), to, machine.Budget);

    /// <summary>Capitals after white space, brackets and hyphens, small letters elsewhere; unlike the method, not after other characters.</summary>
    internal static TextValue Title(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TextValue text = String(machine, value, arguments);
        TextBuilder titled = new(machine.Budget, "title");
        bool inWord = false;
        int width;
        for (int i = 0; i < text.Length; i += width)
        {
            width = text.WidthAt(i);
            char c = text.Value[i];
            if (char.IsSurrogate(c) && width == 1)
                titled.Append(text, i, 1);
            else
                titled.Append(inWord ? Characters.Lower(text.Value, i, width) : Characters.Upper(text.Value, i, width), text.OriginAt(i));
            inWord = !(c is '-' or '(' or '{' or '[' or '<' || Characters.IsSpace(c));
        }

        return titled.ToText(text.IsMarkup);
    }

    internal static TextValue Trim(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue? characters = arguments.Bind("chars")[0];
        TextValue text = Printer.Str(value, machine.Budget);
        return TextOperations.Strip(text, characters is null or NullValue ? null : arguments.Text(characters, "chars"), true, true, machine.Budget);
    }

    internal static TextValue Center(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue width = arguments.Bind("width")[0] ?? TemplateValue.FromInt64(80);
        return (TextValue)StringMethods.Table["center"](machine, Printer.Str(value, machine.Budget), new Arguments("center", [width], []));
    }

    internal static TextValue Replace(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("old", "new", "count");
        Budget budget = machine.Budget;
        TextValue old = Printer.Str(arguments.Require(given[0], "old"), budget), replacement = Printer.Str(arguments.Require(given[1], "new"), budget);
        return TextOperations.Replace(Printer.Str(value, budget).AsMarkup(false), old, replacement, arguments.Integer(given[2], -1), budget);
    }

    internal static TextValue Join(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("d", "attribute");
        TextValue separator = given[0] is null ? TextValue.Empty : Printer.Str(given[0]!, machine.Budget).AsMarkup(false);
        IEnumerable<TextValue> parts = Sequences.Iterate(value, machine.Budget)
            .Select(item => Printer.Str(given[1] is null ? item : Access.Path(item, given[1]!), machine.Budget));
        return TextOperations.Join(separator, parts, machine.Budget);
    }

    internal static TextValue Format(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw arguments.Fault("takes values with names or without, not both");
        TemplateValue values = arguments.Named.Count > 0
            ? MapValue.From(arguments.Named.Select(a => new KeyValuePair<TemplateValue, TemplateValue>(new TextValue(a.Key, 0), a.Value)), 0)
            : new ListValue([.. arguments.Positional], true);
        return PrintfFormat.Format(Printer.Str(value, machine.Budget), values, machine.Budget);
    }

    internal static TextValue Indent(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("width", "first", "blank");
        Budget budget = machine.Budget;
        if (value is not TextValue text)
            throw (value as UndefinedValue)?.Fault() ?? arguments.Fault($"needs a string, not '{value.TypeName}'");
        TextValue indentation = given[0] is TextValue given0 ? given0 : new TextBuilder(budget, "indent").Repeat(' ', arguments.Integer(given[0], 4), 0).ToText();
        bool first = given[1]?.IsTrue ?? false, blank = given[2]?.IsTrue ?? false;
        TextValue complete = new TextBuilder(budget, "indent").Append(text).Append('\n', text.Origin).ToText();
        TextBuilder indented = new(budget, "indent");
        bool atFirst = true;
        foreach (TextValue line in TextOperations.SplitLines(complete, false, budget).Items.Cast<TextValue>())
        {
            if (!atFirst)
                indented.Append('\n', text.Origin);
            if (atFirst ? first : blank || line.Length > 0)
                indented.Append(indentation.Origin == 0 && text.Origin != 0 ? new TextValue(indentation.Value, text.Origin) : indentation);
            indented.Append(line);
            atFirst = false;
        }

        return indented.ToText(text.IsMarkup);
    }

    internal static TextValue Truncate(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("length", "killwords", "end", "leeway");
        if (value is not TextValue text)
            throw (value as UndefinedValue)?.Fault() ?? arguments.Fault($"needs a string, not '{value.TypeName}'");
        long length = arguments.Integer(given[0], 255), leeway = arguments.Integer(given[3], 5);
        TextValue end = given[2] is null ? new TextValue("...", 0) : arguments.Text(given[2], "end");
        if (length < end.CodePoints || leeway < 0)
            throw arguments.Fault($"needs a length of at least {end.CodePoints} and no negative leeway");
        if (text.CodePoints <= length + leeway)
            return text;
        TextValue kept = text.Slice(0, text.UnitOf((int)(length - end.CodePoints)));
        int space = given[1]?.IsTrue ?? false ? -1 : kept.Value.LastIndexOf(' ');
        return new TextBuilder(machine.Budget, "truncate").Append(kept, 0, space < 0 ? kept.Length : space).Append(end).ToText(text.IsMarkup);
    }

    /// <summary>Removes comments and tags of HTML, and makes one space of each run of white space.</summary>
    internal static TextValue StripTags(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TextValue text = String(machine, value, arguments);
        text = RemoveBetween(text, "<!--", "-->", machine.Budget);
        text = RemoveBetween(text, "<", ">", machine.Budget);
        ListValue words = TextOperations.Split(text, null, -1, false, machine.Budget);
        return TextOperations.Join(new TextValue(" ", text.Origin), words.Items.Cast<TextValue>(), machine.Budget);
    }

    internal static IntegerValue WordCount(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TextValue text = String(machine, value, arguments);
        machine.Budget.Step(text.Length / 8);
        int count = 0;
        bool inWord = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            bool isWord = Characters.IsWord(rune);
            count += isWord && !inWord ? 1 : 0;
            inWord = isWord;
        }

        return new IntegerValue(count, text.Origin);
    }

    internal static TextValue UrlEncode(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        if (value is TextValue or not (MapValue or ListValue))
            return Quote(Printer.Str(value, machine.Budget), "/", machine.Budget);
        IEnumerable<TemplateValue> pairs = value is MapValue map ? new MapViewValue(map, "items").Elements() : ((ListValue)value).Items;
        return TextOperations.Join(new TextValue("&", value.Origin), pairs.Select(pair => pair is ListValue { Items: [var key, var item] }
            ? new TextBuilder(machine.Budget, "urlencode").Append(Quote(Printer.Str(key, machine.Budget), string.Empty, machine.Budget)).Append('=', value.Origin)
                .Append(Quote(Printer.Str(item, machine.Budget), string.Empty, machine.Budget)).ToText()
            : throw arguments.Fault("needs pairs of name and value")), machine.Budget);
    }

    private static TextValue Quote(TextValue text, string safe, Budget budget)
    {
        TextBuilder quoted = new(budget, "urlencode");
        Span<byte> bytes = stackalloc byte[4];
        int width;
        for (int i = 0; i < text.Length; i += width)
        {
            width = text.WidthAt(i);
            char c = text.Value[i];
            int origin = text.OriginAt(i);
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || safe.Contains(c, StringComparison.Ordinal))
            {
                quoted.Append(c, origin);
                continue;
            }

            // In a query (no safe characters), a space is written as a plus sign.
            if (c == ' ' && safe.Length == 0)
            {
                quoted.Append('+', origin);
                continue;
            }

            foreach (byte b in bytes[..Characters.RuneAt(text.Value, i).EncodeToUtf8(bytes)])
                quoted.Append($"%{b:X2}", origin);
        }

        return quoted.ToText();
    }

    private static TextValue RemoveBetween(TextValue text, string open, string close, Budget budget)
    {
        TextBuilder rest = new(budget, "striptags");
        int at = 0;
        while (true)
        {
            int start = text.Value.IndexOf(open, at, StringComparison.Ordinal);
            int end = start < 0 ? -1 : text.Value.IndexOf(close, start, StringComparison.Ordinal);
            if (end < 0)
                return rest.Append(text, at, text.Length - at).ToText(text.IsMarkup);
            rest.Append(text, at, start - at);
            at = end + close.Length;
        }
    }
}
