using System.Globalization;
using System.Numerics;

namespace KvChat.Templates;

/// <summary>Python's <c>format % values</c>. Every value's characters and padding keep the value's origin.</summary>
internal sealed class PrintfFormat
{
    private const int MaxDigits = 9;

    private readonly TextValue format;
    private readonly TemplateValue values;
    private readonly Budget budget;
    private readonly TextBuilder target;
    private int position;
    private int used;

    private PrintfFormat(TextValue format, TemplateValue values, Budget budget)
    {
        this.format = format;
        this.values = values;
        this.budget = budget;
        target = new TextBuilder(budget, "%");
    }

    /// <param name="format">Text with codes such as <c>%s</c>.</param>
    /// <param name="values">A tuple of values, a map for <c>%(name)s</c>, or a single value.</param>
    /// <param name="budget">Pays for the result.</param>
    internal static TextValue Format(TextValue format, TemplateValue values, Budget budget)
    {
        PrintfFormat run = new(format, values, budget);
        while (run.position < format.Length)
            run.Next();
        if (values is ListValue { IsTuple: true } tuple ? run.used < tuple.Items.Length : run.used == 0 && values is not (MapValue or ListValue))
            throw Fault("has more values than codes");
        return run.target.ToText(format.IsMarkup);
    }

    private static TemplateFault Fault(string message) => new("%", $"a '%' format {message}");

    private void Next()
    {
        int code = format.Value.IndexOf('%', position);
        if (code < 0)
            code = format.Length;
        target.Append(format, position, code - position);
        position = code + 1;
        if (code == format.Length)
            return;
        TemplateValue? named = ReadName();
        string flags = ReadFlags();
        int width = ReadCount() ?? 0;
        bool left = flags.Contains('-', StringComparison.Ordinal) || width < 0;
        int? precision = Peek() == '.' ? ReadPrecision() : null;
        while (Peek() is 'l' or 'h' or 'L')
            position++;
        char kind = Peek();
        position++;
        if (kind == '%')
        {
            target.Append(format, position - 1, 1);
            return;
        }

        TemplateValue value = named ?? Take();
        (TextValue text, int prefix) = Convert(value, kind, flags, precision);
        bool zeros = flags.Contains('0', StringComparison.Ordinal) && !left && kind is not ('s' or 'r' or 'a' or 'c');
        long missing = Math.Max(0, Math.Abs((long)width) - text.CodePoints);
        target.Repeat(' ', left || zeros ? 0 : missing, text.Origin);
        target.Append(text, 0, prefix);
        target.Repeat('0', zeros ? missing : 0, text.Origin);
        target.Append(text, prefix, text.Length - prefix);
        target.Repeat(' ', left ? missing : 0, text.Origin);
    }

    private char Peek() => position < format.Length ? format.Value[position] : throw Fault("ends within a code");

    private TemplateValue? ReadName()
    {
        if (Peek() != '(')
            return null;
        int close = format.Value.IndexOf(')', position);
        if (close < 0)
            throw Fault("has a name without ')'");
        string name = format.Value[(position + 1)..close];
        position = close + 1;
        if (values is not MapValue map)
            throw Fault("with names needs a mapping");
        return map.TryGet(new TextValue(name, 0), out TemplateValue? value) ? value : throw Fault($"has no value named '{name}'");
    }

    private string ReadFlags()
    {
        int start = position;
        while (Peek() is '-' or '+' or ' ' or '#' or '0')
            position++;
        return format.Value[start..position];
    }

    private int? ReadCount()
    {
        if (Peek() == '*')
        {
            position++;
            return Numbers.ToIndex(Take(), "%");
        }

        int start = position;
        while (char.IsAsciiDigit(Peek()))
            position++;
        if (position - start > MaxDigits)
            throw Fault("has a width or precision that is too large");
        return position == start ? null : int.Parse(format.Value.AsSpan(start, position - start), CultureInfo.InvariantCulture);
    }

    private int ReadPrecision()
    {
        position++;
        return Math.Max(0, ReadCount() ?? 0);
    }

    private TemplateValue Take()
    {
        if (values is ListValue { IsTuple: true } tuple)
            return used < tuple.Items.Length ? tuple.Items[used++] : throw Fault("has more codes than values");
        return used++ == 0 ? values : throw Fault("has more codes than values");
    }

    /// <summary>The value's text, and how much of it (sign, 0x) comes before padding with zeros.</summary>
    private (TextValue Text, int Prefix) Convert(TemplateValue value, char kind, string flags, int? precision)
    {
        if (kind is 's' or 'r' or 'a')
        {
            TextValue text = kind == 's' ? Printer.Str(value, budget) : Printer.Repr(value, budget);
            if (format.IsMarkup)
                text = Html.Escape(text, budget);
            return (precision is int most && most < text.CodePoints ? text.Slice(0, text.UnitOf(most)) : text, 0);
        }

        if (kind == 'c' && value is TextValue { CodePoints: 1 } character)
            return (character, 0);
        if (!Numbers.IsNumber(value))
            throw (value as UndefinedValue)?.Fault() ?? Fault($"code '%{kind}' needs a number, not '{value.TypeName}'");
        bool isInteger = Numbers.TryInteger(value, out BigInteger integer);
        if (kind == 'c' && isInteger && integer >= 0 && integer <= 0x10ffff && !(integer >= 0xd800 && integer <= 0xdfff))
            return (new TextValue(char.ConvertFromUtf32((int)integer), value.Origin), 0);
        string digits, sign;
        if (kind is 'd' or 'i' or 'u' or 'x' or 'X' or 'o')
        {
            double number = isInteger ? 0 : Numbers.ToDouble(value);
            if (!isInteger && (kind is 'x' or 'X' or 'o' || !double.IsFinite(number)))
                throw Fault($"code '%{kind}' needs an integer");
            integer = isInteger ? integer : new BigInteger(number);
            digits = NumberFormat.Integer(BigInteger.Abs(integer), kind).PadLeft(Math.Min(precision ?? 0, 1000), '0');
            sign = Sign(integer.Sign < 0, flags) + (flags.Contains('#', StringComparison.Ordinal) && kind is 'x' or 'X' or 'o' ? "0" + kind : string.Empty);
        }
        else if (kind is 'f' or 'F' or 'e' or 'E' or 'g' or 'G')
        {
            double number = Numbers.ToDouble(value);
            digits = NumberFormat.Float(Math.Abs(number), kind, precision ?? 6, flags.Contains('#', StringComparison.Ordinal), "%");
            sign = Sign(double.IsNegative(number), flags);
        }
        else
        {
            throw Fault($"has the unknown code '%{kind}'");
        }

        return (new TextValue(sign + digits, value.Origin), sign.Length);
    }

    private static string Sign(bool negative, string flags) => negative ? "-"
        : flags.Contains('+', StringComparison.Ordinal) ? "+" : flags.Contains(' ', StringComparison.Ordinal) ? " " : string.Empty;
}
