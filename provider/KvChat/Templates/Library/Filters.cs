using System.Numerics;

namespace KvChat.Templates;

/// <summary>A filter: what stands after <c>|</c>.</summary>
internal delegate TemplateValue Filter(Interpreter machine, TemplateValue value, Arguments arguments);

/// <summary>The filters by name, and those on numbers and single values. What a filter makes of content from outside stays from outside.</summary>
internal static class Filters
{
    internal static readonly Dictionary<string, Filter> Table = new(StringComparer.Ordinal)
    {
        ["abs"] = Abs,
        ["attr"] = Attribute,
        ["batch"] = SequenceFilters.Batch,
        ["capitalize"] = (m, v, a) => TextFilters.Case(m, v, a, TextOperations.Case.Capitalize),
        ["center"] = TextFilters.Center,
        ["count"] = SequenceFilters.Length,
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = SequenceFilters.DictSort,
        ["e"] = TextFilters.Escape,
        ["escape"] = TextFilters.Escape,
        ["first"] = SequenceFilters.First,
        ["float"] = Float,
        ["forceescape"] = TextFilters.ForceEscape,
        ["format"] = TextFilters.Format,
        ["groupby"] = SequenceFilters.GroupBy,
        ["indent"] = TextFilters.Indent,
        ["int"] = Integer,
        ["items"] = SequenceFilters.Items,
        ["join"] = TextFilters.Join,
        ["last"] = SequenceFilters.Last,
        ["length"] = SequenceFilters.Length,
        ["list"] = SequenceFilters.List,
        ["lower"] = (m, v, a) => TextFilters.Case(m, v, a, TextOperations.Case.Lower),
        ["map"] = SelectionFilters.Map,
        ["max"] = (m, v, a) => SequenceFilters.Extreme(m, v, a, 1),
        ["min"] = (m, v, a) => SequenceFilters.Extreme(m, v, a, -1),
        ["pprint"] = (m, v, a) => Printer.Repr(v, m.Budget),
        ["reject"] = (m, v, a) => SelectionFilters.Select(m, v, a, keep: false, byAttribute: false),
        ["rejectattr"] = (m, v, a) => SelectionFilters.Select(m, v, a, keep: false, byAttribute: true),
        ["replace"] = TextFilters.Replace,
        ["reverse"] = SequenceFilters.Reverse,
        ["round"] = Round,
        ["safe"] = TextFilters.Safe,
        ["select"] = (m, v, a) => SelectionFilters.Select(m, v, a, keep: true, byAttribute: false),
        ["selectattr"] = (m, v, a) => SelectionFilters.Select(m, v, a, keep: true, byAttribute: true),
        ["slice"] = SequenceFilters.Slice,
        ["sort"] = SequenceFilters.Sort,
        ["string"] = TextFilters.String,
        ["striptags"] = TextFilters.StripTags,
        ["sum"] = SequenceFilters.Sum,
        ["title"] = TextFilters.Title,
        ["tojson"] = ToJson,
        ["trim"] = TextFilters.Trim,
        ["truncate"] = TextFilters.Truncate,
        ["unique"] = SequenceFilters.Unique,
        ["upper"] = (m, v, a) => TextFilters.Case(m, v, a, TextOperations.Case.Upper),
        ["urlencode"] = TextFilters.UrlEncode,
        ["wordcount"] = TextFilters.WordCount,
    };

    /// <summary>The JSON of a value; arguments as in Python's <c>json.dumps</c>.</summary>
    private static TextValue ToJson(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("ensure_ascii", "indent", "separators", "sort_keys");
        string? indent = given[1] switch
        {
            null or NullValue => null,
            TextValue text => text.Value,
            TemplateValue width => new TextBuilder(machine.Budget, "tojson").Repeat(' ', Math.Max(0, Numbers.ToIndex(width, "tojson")), 0).ToText().Value,
        };
        TextValue item = new(indent is null ? ", " : ",", 0), key = new(": ", 0);
        if (given[2] is ListValue { Items: [TextValue first, TextValue second] })
            (item, key) = (first, second);
        else if (given[2] is not (null or NullValue))
            throw arguments.Fault("needs two strings as 'separators'");
        return new JsonPrinter(machine.Budget)
        {
            AsciiOnly = given[0]?.IsTrue ?? false,
            Indent = indent,
            ItemSeparator = item,
            KeySeparator = key,
            SortKeys = given[3]?.IsTrue ?? false,
        }.Print(value);
    }

    private static TemplateValue Default(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("default_value", "boolean");
        bool wanted = value is UndefinedValue || ((given[1]?.IsTrue ?? false) && !value.IsTrue);
        return wanted ? given[0] ?? TextValue.Empty : value;
    }

    private static TemplateValue Attribute(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TextValue name = arguments.Text(arguments.Single("name"), "name");
        return value is MapValue && Methods.Find(value, name.Value) is null ? new UndefinedValue($"a 'dict' has no attribute '{name.Value}'") : Access.Attribute(value, name);
    }

    private static TemplateValue Abs(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        if (value is FloatValue f)
            return new FloatValue(Math.Abs(f.Value), f.Origin);
        if (Numbers.TryInteger(value, out BigInteger integer))
            return new IntegerValue(BigInteger.Abs(integer), value.Origin);
        throw (value as UndefinedValue)?.Fault() ?? arguments.Fault($"needs a number, not '{value.TypeName}'");
    }

    private static TemplateValue Integer(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("default", "base");
        TemplateValue otherwise = given[0] ?? TemplateValue.FromInt64(0);
        if (value is UndefinedValue undefined)
            throw undefined.Fault();
        if (Numbers.TryInteger(value, out BigInteger integer))
            return new IntegerValue(integer, value.Origin);
        if (value is TextValue text)
        {
            int radix = arguments.Integer(given[1], 10);
            if (radix is >= 2 and <= 36 && Numbers.TryParseInteger(text.Value, radix, out integer))
                return new IntegerValue(integer, text.Origin);
            if (!Numbers.TryParseFloat(text.Value, out double parsed) || !double.IsFinite(parsed))
                return otherwise;
            return new IntegerValue(new BigInteger(parsed), text.Origin);
        }

        return value is FloatValue { Value: var f } && double.IsFinite(f) ? new IntegerValue(new BigInteger(f), value.Origin) : otherwise;
    }

    private static TemplateValue Float(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue otherwise = arguments.Bind("default")[0] ?? TemplateValue.FromDouble(0);
        if (value is UndefinedValue undefined)
            throw undefined.Fault();
        if (Numbers.IsNumber(value))
            return new FloatValue(Numbers.ToDouble(value), value.Origin);
        return value is TextValue text && Numbers.TryParseFloat(text.Value, out double parsed) ? new FloatValue(parsed, text.Origin) : otherwise;
    }

    private static TemplateValue Round(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("precision", "method");
        int precision = arguments.Integer(given[0], 0);
        string method = given[1] is null ? "common" : arguments.Text(given[1], "method").Value;
        if (method is not ("common" or "ceil" or "floor"))
            throw arguments.Fault("rounds 'common', 'ceil' or 'floor'");
        if (!Numbers.IsNumber(value))
            throw (value as UndefinedValue)?.Fault() ?? arguments.Fault($"needs a number, not '{value.TypeName}'");
        if (method == "common" && value is not FloatValue && precision >= 0)
            return Numbers.TryInteger(value, out BigInteger same) ? new IntegerValue(same, value.Origin) : value;
        double number = Numbers.ToDouble(value);
        if (method == "common")
        {
            double rounded = NumberFormat.Round(number, precision);
            return value is FloatValue ? new FloatValue(rounded, value.Origin) : new IntegerValue(new BigInteger(rounded), value.Origin);
        }

        double scale = Math.Pow(10, precision);
        return new FloatValue((method == "ceil" ? Math.Ceiling(number * scale) : Math.Floor(number * scale)) / scale, value.Origin);
    }
}
