using System.Text;

namespace KvChat.Templates;

/// <content>Searching, testing and padding.</content>
internal static partial class StringMethods
{
    private static TextValue Justify(Interpreter machine, TemplateValue self, Arguments arguments, char side)
    {
        TemplateValue?[] given = arguments.Bind("width", "fillchar");
        TextValue text = Self(self), fill = given[1] is null ? new TextValue(" ", 0) : arguments.Text(given[1], "fillchar");
        if (fill.CodePoints != 1)
            throw arguments.Fault("fills with exactly one character");
        long width = Numbers.ToIndex(arguments.Require(given[0], "width"), arguments.Construct);
        long missing = Math.Max(0, width - text.CodePoints);
        // CPython puts the odd one of a centred text before it where both the rest and the width are odd.
        long before = side switch { 'l' => 0, 'r' => missing, _ => (missing / 2) + (missing & width & 1) };
        return TextOperations.Pad(text, before, missing - before, fill, machine.Budget);
    }

    private static TextValue ZeroFill(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TextValue text = Self(self);
        long missing = Math.Max(0, (long)Numbers.ToIndex(arguments.Single("width"), arguments.Construct) - text.CodePoints);
        int sign = text.Length > 0 && text.Value[0] is '+' or '-' ? 1 : 0;
        return new TextBuilder(machine.Budget, "zfill").Append(text, 0, sign).Repeat('0', missing, text.Origin).Append(text, sign, text.Length - sign).ToText();
    }

    private static TextValue ExpandTabs(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TextValue text = Self(self);
        int size = arguments.Integer(arguments.Bind("tabsize")[0], 8);
        TextBuilder expanded = new(machine.Budget, "expandtabs");
        int column = 0, width;
        for (int i = 0; i < text.Length; i += width)
        {
            width = text.WidthAt(i);
            char c = text.Value[i];
            if (c == '\t')
            {
                int spaces = size > 0 ? size - (column % size) : 0;
                expanded.Repeat(' ', spaces, text.OriginAt(i));
                column = size > 0 ? (column + spaces) % size : 0;
                continue;
            }

            expanded.Append(text, i, width);
            column = c is '\n' or '\r' ? 0 : column + 1;
        }

        return expanded.ToText(text.IsMarkup);
    }

    private static BooleanValue HasAffix(Interpreter machine, TemplateValue self, Arguments arguments, bool prefix)
    {
        TemplateValue?[] given = arguments.Bind("affix", "start", "end");
        TextValue text = Self(self);
        (int start, int end) = Window(text, given[1], given[2], arguments);
        TemplateValue affix = arguments.Require(given[0], "affix");
        TemplateValue[] choices = affix is ListValue { IsTuple: true } tuple ? tuple.Items : [affix];
        foreach (TemplateValue choice in choices)
        {
            string part = arguments.Text(choice, "affix").Value;
            machine.Budget.Step(1 + (part.Length / 32));
            if (start <= end && part.Length <= end - start
                && text.Value.AsSpan(prefix ? start : end - part.Length, part.Length).SequenceEqual(part))
            {
                return BooleanValue.Of(true);
            }
        }

        return BooleanValue.Of(false);
    }

    private static IntegerValue Find(Interpreter machine, TemplateValue self, Arguments arguments, bool fromRight, bool mustFind)
    {
        TemplateValue?[] given = arguments.Bind("sub", "start", "end");
        TextValue text = Self(self), part = arguments.Text(given[0], "sub");
        (int start, int end) = Window(text, given[1], given[2], arguments);
        int at = fromRight ? TextSearch.Last(text.Value, part.Value, start, end, machine.Budget) : TextSearch.First(text.Value, part.Value, start, end, machine.Budget);
        if (at < 0 && mustFind)
            throw arguments.Fault("did not find the string");
        return new IntegerValue(at < 0 ? -1 : text.CodePointOf(at), text.Origin);
    }

    private static IntegerValue Count(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("sub", "start", "end");
        TextValue text = Self(self), part = arguments.Text(given[0], "sub");
        (int start, int end) = Window(text, given[1], given[2], arguments);
        int count = start > end ? 0 : TextSearch.All(text.Slice(start, end - start), part.Value, long.MaxValue, machine.Budget).Count;
        return new IntegerValue(count, text.Origin);
    }

    /// <summary>Code units of the window that Python's <c>start</c> and <c>end</c> name.</summary>
    private static (int Start, int End) Window(TextValue text, TemplateValue? start, TemplateValue? end, Arguments arguments)
    {
        if (start is null or NullValue && end is null or NullValue)
            return (0, text.Length);
        int count = text.CodePoints;
        int from = Place(arguments.Integer(start, 0), count), to = Math.Min(count, Place(arguments.Integer(end, count), count));
        return from > count ? (1, 0) : (text.UnitOf(from), text.UnitOf(to));
    }

    private static int Place(int place, int count) => place < 0 ? Math.Max(0, place + count) : place;

    private static BooleanValue All(TemplateValue self, Arguments arguments, Func<Rune, bool> test)
    {
        arguments.Empty();
        string text = Self(self).Value;
        Budget.Current?.Step(text.Length / 8);
        if (text.Length == 0)
            return BooleanValue.Of(false);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!test(rune))
                return BooleanValue.Of(false);
        }

        return BooleanValue.Of(true);
    }

    private static bool Ascii(TemplateValue self, Arguments arguments)
    {
        arguments.Empty();
        return System.Text.Ascii.IsValid(Self(self).Value);
    }

    private static bool IsTitle(TextValue text)
    {
        bool any = false, inWord = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            if (Rune.IsUpper(rune) ? inWord : Rune.IsLower(rune) && !inWord)
                return false;
            inWord = Characters.IsCased(rune);
            any |= inWord;
        }

        return any;
    }
}
