using System.Text;

namespace KvChat.Templates;

/// <summary>The methods of Python's <c>str</c>.</summary>
internal static partial class StringMethods
{
    internal static readonly Dictionary<string, Method> Table = new(StringComparer.Ordinal)
    {
        ["upper"] = (m, s, a) => Case(m, s, a, TextOperations.Case.Upper),
        ["lower"] = (m, s, a) => Case(m, s, a, TextOperations.Case.Lower),
        ["casefold"] = Casefold,
        ["title"] = (m, s, a) => Case(m, s, a, TextOperations.Case.Title),
        ["capitalize"] = (m, s, a) => Case(m, s, a, TextOperations.Case.Capitalize),
        ["swapcase"] = (m, s, a) => Case(m, s, a, TextOperations.Case.Swap),
        ["strip"] = (m, s, a) => Strip(m, s, a, true, true),
        ["lstrip"] = (m, s, a) => Strip(m, s, a, true, false),
        ["rstrip"] = (m, s, a) => Strip(m, s, a, false, true),
        ["split"] = (m, s, a) => Split(m, s, a, false),
        ["rsplit"] = (m, s, a) => Split(m, s, a, true),
        ["splitlines"] = (m, s, a) => TextOperations.SplitLines(Self(s), a.Bind("keepends")[0]?.IsTrue ?? false, m.Budget),
        ["partition"] = (m, s, a) => Partition(m, s, a, false),
        ["rpartition"] = (m, s, a) => Partition(m, s, a, true),
        ["replace"] = Replace,
        ["removeprefix"] = (m, s, a) => RemoveAffix(m, s, a, true),
        ["removesuffix"] = (m, s, a) => RemoveAffix(m, s, a, false),
        ["join"] = Join,
        ["format"] = (m, s, a) => BraceFormat.Format(m, Self(s), a),
        ["format_map"] = FormatMap,
        ["center"] = (m, s, a) => Justify(m, s, a, 'c'),
        ["ljust"] = (m, s, a) => Justify(m, s, a, 'l'),
        ["rjust"] = (m, s, a) => Justify(m, s, a, 'r'),
        ["zfill"] = ZeroFill,
        ["expandtabs"] = ExpandTabs,
        ["startswith"] = (m, s, a) => HasAffix(m, s, a, true),
        ["endswith"] = (m, s, a) => HasAffix(m, s, a, false),
        ["find"] = (m, s, a) => Find(m, s, a, false, false),
        ["rfind"] = (m, s, a) => Find(m, s, a, true, false),
        ["index"] = (m, s, a) => Find(m, s, a, false, true),
        ["rindex"] = (m, s, a) => Find(m, s, a, true, true),
        ["count"] = Count,
        ["isalnum"] = (m, s, a) => All(s, a, r => Rune.IsLetter(r) || Characters.IsNumeric(r)),
        ["isalpha"] = (m, s, a) => All(s, a, Rune.IsLetter),
        ["isascii"] = (m, s, a) => BooleanValue.Of(Ascii(s, a)),
        ["isdecimal"] = (m, s, a) => All(s, a, Rune.IsDigit),
        ["isdigit"] = (m, s, a) => All(s, a, r => Rune.IsDigit(r) || r.Value is '²' or '³' or '¹' or (>= 0x2070 and <= 0x2079) or (>= 0x2080 and <= 0x2089)),
        ["isnumeric"] = (m, s, a) => All(s, a, Characters.IsNumeric),
        ["isspace"] = (m, s, a) => All(s, a, r => r.IsBmp && Characters.IsSpace((char)r.Value)),
        ["isprintable"] = (m, s, a) => BooleanValue.Of(Self(s).Length == 0 || All(s, a, Characters.IsPrintable).IsTrue),
        ["isidentifier"] = (m, s, a) => BooleanValue.Of(Self(s).Length > 0 && Characters.IsIdentifierStart(Self(s).Value[0]) && Self(s).Value.All(Characters.IsIdentifierPart)),
        ["islower"] = (m, s, a) => BooleanValue.Of(IsCase(Self(s), upper: false)),
        ["isupper"] = (m, s, a) => BooleanValue.Of(IsCase(Self(s), upper: true)),
        ["istitle"] = (m, s, a) => BooleanValue.Of(IsTitle(Self(s))),
        ["encode"] = Unsupported,
        ["translate"] = Unsupported,
        ["maketrans"] = Unsupported,
    };

    /// <summary>Whether the text has letters with case, all of the one asked for.</summary>
    internal static bool IsCase(TextValue text, bool upper)
    {
        bool any = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            if (Characters.IsCased(rune) && (upper ? !Rune.IsUpper(rune) : !Rune.IsLower(rune)))
                return false;
            any |= Characters.IsCased(rune);
        }

        return any;
    }

    private static TextValue Self(TemplateValue self) => (TextValue)self;

    private static TemplateValue Unsupported(Interpreter machine, TemplateValue self, Arguments arguments) => throw arguments.Fault("is not supported");

    private static TextValue Case(Interpreter machine, TemplateValue self, Arguments arguments, TextOperations.Case to)
    {
        arguments.Empty();
        return TextOperations.ChangeCase(Self(self), to, machine.Budget);
    }

    private static TextValue Casefold(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        arguments.Empty();
        TextValue sharp = TextOperations.Replace(Self(self), new TextValue("ß", 0), new TextValue("ss", Self(self).Origin), -1, machine.Budget);
        return TextOperations.ChangeCase(sharp, TextOperations.Case.Lower, machine.Budget);
    }

    private static TextValue Strip(Interpreter machine, TemplateValue self, Arguments arguments, bool left, bool right)
    {
        TemplateValue? characters = arguments.Bind("chars")[0];
        return TextOperations.Strip(Self(self), characters is null or NullValue ? null : arguments.Text(characters, "chars"), left, right, machine.Budget);
    }

    private static ListValue Split(Interpreter machine, TemplateValue self, Arguments arguments, bool fromRight)
    {
        TemplateValue?[] given = arguments.Bind("sep", "maxsplit");
        TextValue? separator = given[0] is null or NullValue ? null : arguments.Text(given[0], "sep");
        return TextOperations.Split(Self(self), separator, arguments.Integer(given[1], -1), fromRight, machine.Budget);
    }

    private static ListValue Partition(Interpreter machine, TemplateValue self, Arguments arguments, bool fromRight)
    {
        TextValue text = Self(self), separator = arguments.Text(arguments.Bind("sep")[0], "sep");
        if (separator.Length == 0)
            throw arguments.Fault("needs a separator that is not empty");
        int at = fromRight
            ? TextSearch.Last(text.Value, separator.Value, 0, text.Length, machine.Budget)
            : TextSearch.First(text.Value, separator.Value, 0, text.Length, machine.Budget);
        machine.Budget.Characters(text.Length);
        if (at < 0)
            return new ListValue(fromRight ? [TextValue.Empty, TextValue.Empty, text] : [text, TextValue.Empty, TextValue.Empty], true);
        int after = at + separator.Length;
        return new ListValue([text.Slice(0, at), separator, text.Slice(after, text.Length - after)], true);
    }

    private static TextValue Replace(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("old", "new", "count");
        return TextOperations.Replace(Self(self), arguments.Text(given[0], "old"), arguments.Text(given[1], "new"), arguments.Integer(given[2], -1), machine.Budget);
    }

    private static TextValue RemoveAffix(Interpreter machine, TemplateValue self, Arguments arguments, bool prefix)
    {
        TextValue text = Self(self), affix = arguments.Text(arguments.Bind("affix")[0], "affix");
        machine.Budget.Characters(text.Length);
        if (affix.Length == 0 || !(prefix ? text.Value.StartsWith(affix.Value, StringComparison.Ordinal) : text.Value.EndsWith(affix.Value, StringComparison.Ordinal)))
            return text;
        return text.Slice(prefix ? affix.Length : 0, text.Length - affix.Length);
    }

    private static TextValue Join(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TextValue separator = Self(self);
        IEnumerable<TextValue> parts = Sequences.Iterate(arguments.Single("iterable"), machine.Budget).Select(item => item is TextValue text
            ? separator.IsMarkup ? Html.Escape(text, machine.Budget) : text
            : throw arguments.Fault($"joins strings, not '{item.TypeName}'"));
        return TextOperations.Join(separator, parts, machine.Budget);
    }

    private static TextValue FormatMap(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        if (arguments.Single("map") is not MapValue map)
            throw arguments.Fault("needs a mapping");
        List<KeyValuePair<string, TemplateValue>> named = [.. map.Entries.Where(e => e.Key is TextValue).Select(e => new KeyValuePair<string, TemplateValue>(((TextValue)e.Key).Value, e.Value))];
        return BraceFormat.Format(machine, Self(self), new Arguments(arguments.Construct, [], named));
    }
}
