using System.Globalization;
using System.Numerics;

namespace KvChat.Templates;

/// <summary>Python's format specification: <c>[[fill]align][sign][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed class FormatSpec
{
    private const int MaxDigits = 9;

    private readonly TextValue spec;
    private int position;
    private TextValue fill = new(" ", 0);
    private char align;
    private char sign = '-';
    private bool alternate;
    private int width;
    private char grouping;
    private int? precision;
    private char type;

    private FormatSpec(TextValue spec) => this.spec = spec;

    /// <summary>The value as the specification wants it; padding has the origin of a value from outside.</summary>
    internal static TextValue Apply(TemplateValue value, TextValue spec, Budget budget)
    {
        if (spec.Length == 0)
            return Printer.Str(value, budget);
        FormatSpec parsed = new(spec);
        parsed.Parse();
        return parsed.Write(value, budget);
    }

    private static TemplateFault Fault(string message) => new("format", $"a format specification {message}");

    private void Parse()
    {
        string text = spec.Value;
        int first = text.Length > 0 ? spec.WidthAt(0) : 0;
        if (first < text.Length && text[first] is '<' or '>' or '^' or '=' && first > 0)
        {
            fill = spec.Slice(0, first);
            align = text[first];
            position = first + 1;
        }
        else if (Take("<>^=") is char a and not '\0')
        {
            align = a;
        }

        sign = Take("+- ") is char s and not '\0' ? s : '-';
        Take("z");
        alternate = Take("#") != '\0';
        if (Take("0") != '\0' && align == '\0')
        {
            fill = new TextValue("0", 0);
            align = '=';
        }

        width = ReadNumber() ?? 0;
        grouping = Take(",_");
        if (Take(".") != '\0')
            precision = ReadNumber() ?? throw Fault("needs a precision after '.'");
        type = position < text.Length ? text[position++] : '\0';
        if (position < text.Length)
            throw Fault($"'{text}' cannot be read");
    }

    private char Take(string choices) =>
        position < spec.Length && choices.Contains(spec.Value[position], StringComparison.Ordinal) ? spec.Value[position++] : '\0';

    private int? ReadNumber()
    {
        int start = position;
        while (position < spec.Length && char.IsAsciiDigit(spec.Value[position]))
            position++;
        if (position - start > MaxDigits)
            throw Fault("has a width or precision that is too large");
        return position == start ? null : int.Parse(spec.Value.AsSpan(start, position - start), CultureInfo.InvariantCulture);
    }

    private TextValue Write(TemplateValue value, Budget budget)
    {
        if (value is TextValue text)
        {
            if (type is not ('\0' or 's') || align == '=')
                throw Fault($"'{spec.Value}' is not for strings");
            if (precision is int most && most < text.CodePoints)
                text = text.Slice(0, text.UnitOf(most));
            return Align(text, 0, align == '\0' ? '<' : align, budget);
        }

        if (!Numbers.IsNumber(value) || (value is BooleanValue && type is '\0'))
        {
            if (value is BooleanValue)
                return Align(Printer.Str(value, budget), 0, align == '\0' ? '>' : align, budget);
            throw (value as UndefinedValue)?.Fault() ?? Fault($"is not for a '{value.TypeName}'");
        }

        (string prefix, string digits) = Number(value);
        if (grouping != '\0')
            digits = NumberFormat.Group(digits, grouping);
        return Align(new TextValue(prefix + digits, value.Origin), prefix.Length, align == '\0' ? '>' : align, budget);
    }

    private (string Prefix, string Digits) Number(TemplateValue value)
    {
        bool isInteger = Numbers.TryInteger(value, out BigInteger integer);
        if (isInteger && type is '\0' or 'd' or 'x' or 'X' or 'o' or 'b' or 'n')
        {
            if (precision is not null)
                throw Fault("of an integer has no precision");
            string radix = alternate && type is 'x' or 'X' or 'o' or 'b' ? "0" + type : string.Empty;
            return (Sign(integer.Sign < 0) + radix, NumberFormat.Integer(BigInteger.Abs(integer), type is '\0' or 'n' ? 'd' : type));
        }

        double number = Numbers.ToDouble(value);
        char code = type switch
        {
            '\0' => precision is null ? 'r' : 'g',
            'n' => 'g',
            'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%' => type,
            _ => throw Fault($"has the type '{type}', which is not for a '{value.TypeName}'"),
        };
        return (Sign(double.IsNegative(number)), NumberFormat.Float(Math.Abs(number), code, precision ?? 6, alternate, "format"));
    }

    private string Sign(bool negative) => negative ? "-" : sign == '-' ? string.Empty : sign.ToString();

    private TextValue Align(TextValue text, int prefix, char side, Budget budget)
    {
        long missing = Math.Max(0, (long)width - text.CodePoints);
        if (side == '=' && missing > 0)
        {
            TextValue padded = TextOperations.Pad(text.Slice(prefix, text.Length - prefix), missing, 0, fill, budget);
            return new TextBuilder(budget, "format").Append(text, 0, prefix).Append(padded).ToText();
        }

        long before = side switch { '<' => 0, '^' => missing / 2, _ => missing };
        return TextOperations.Pad(text, before, missing - before, fill, budget);
    }
}
