using System.Globalization;
using System.Numerics;
using System.Text;

namespace KvChat.Templates;

/// <summary>Python's numbers: bool counts as int, int meets float as float.</summary>
internal static class Numbers
{
    internal static bool IsNumber(TemplateValue value) => value is BooleanValue or IntegerValue or FloatValue;

    internal static bool TryInteger(TemplateValue value, out BigInteger number)
    {
        number = value switch
        {
            BooleanValue b => b.Value ? BigInteger.One : BigInteger.Zero,
            IntegerValue i => i.Value,
            _ => default,
        };
        return value is BooleanValue or IntegerValue;
    }

    internal static double ToDouble(TemplateValue value) => value switch
    {
        BooleanValue b => b.Value ? 1 : 0,
        IntegerValue i => (double)i.Value,
        FloatValue f => f.Value,
        _ => throw new TemplateFault("float", $"'{value.TypeName}' is not a number"),
    };

    /// <summary>An integer argument, held to what fits in an int (so that a huge index is just beyond every end).</summary>
    internal static int ToIndex(TemplateValue value, string construct)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Fault();
        if (!TryInteger(value, out BigInteger number))
            throw new TemplateFault(construct, $"{construct} needs an integer, not '{value.TypeName}'");
        return (int)BigInteger.Min(int.MaxValue, BigInteger.Max(-int.MaxValue, number));
    }

    /// <summary>Compares two numbers; false where one is none, or NaN takes part (then order is not 0).</summary>
    internal static bool TryCompare(TemplateValue left, TemplateValue right, out int order)
    {
        order = 1;
        if (!IsNumber(left) || !IsNumber(right))
            return false;
        if (TryInteger(left, out BigInteger a) && TryInteger(right, out BigInteger b))
        {
            order = a.CompareTo(b);
            return true;
        }

        double x = ToDouble(left), y = ToDouble(right);
        order = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
        return true;
    }

    /// <summary>Arithmetic on two numbers, or null where an operand is none.</summary>
    internal static TemplateValue? Arithmetic(string op, TemplateValue left, TemplateValue right)
    {
        if (!IsNumber(left) || !IsNumber(right))
            return null;
        int origin = left.Origin != 0 ? left.Origin : right.Origin;
        bool integers = TryInteger(left, out BigInteger a) & TryInteger(right, out BigInteger b);
        if (op is "/" or "//" or "%" && ToDouble(right) == 0)
            throw new TemplateFault(op, "division by zero");
        if (op == "**")
            return Power(left, right, integers, origin);
        if (integers && op != "/")
        {
            return new IntegerValue(
                op switch
                {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "//" => FloorDivide(a, b),
                    _ => a - (FloorDivide(a, b) * b),
                },
                origin);
        }

        double x = ToDouble(left), y = ToDouble(right);
        return new FloatValue(
            op switch
            {
                "+" => x + y,
                "-" => x - y,
                "*" => x * y,
                "/" => x / y,
                "//" => Math.Floor(x / y),
                _ => FloatModulo(x, y),
            },
            origin);
    }

    /// <summary>Shortest digits that read back as the same number, laid out as Python does.</summary>
    internal static string Repr(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        string round = value.ToString("R", CultureInfo.InvariantCulture);
        (string digits, int exponent) = Scientific(round);
        string sign = round.StartsWith('-') ? "-" : string.Empty;
        if (exponent is < -4 or >= 16)
        {
            string mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
            return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>value * 10^digits as the nearest integer (ties to even), exactly: a double is an integer times a power of two.</summary>
    internal static BigInteger ScaledRound(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int biased = (int)((bits >> 52) & 0x7ff);
        long mantissa = bits & 0xfffffffffffffL;
        int exponent = (biased == 0 ? 1 : biased) - 1075;
        BigInteger top = biased == 0 ? mantissa : mantissa | (1L << 52), bottom = BigInteger.One;
        if (digits >= 0)
            top *= BigInteger.Pow(10, digits);
        else
            bottom *= BigInteger.Pow(10, -digits);
        if (exponent >= 0)
            top <<= exponent;
        else
            bottom <<= -exponent;
        BigInteger quotient = BigInteger.DivRem(top, bottom, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(bottom);
        if (half > 0 || (half == 0 && !quotient.IsEven))
            quotient += 1;
        return value < 0 ? -quotient : quotient;
    }

    /// <summary>Reads text as Python's <c>float()</c> does.</summary>
    internal static bool TryParseFloat(string text, out double value)
    {
        string trimmed = Characters.Trim(text).Replace("_", string.Empty, StringComparison.Ordinal);
        value = 0;
        string word = trimmed.TrimStart('+', '-');
        if (trimmed.Length - word.Length <= 1 && word.ToUpperInvariant() is "INF" or "INFINITY" or "NAN")
        {
            value = char.ToUpperInvariant(word[0]) == 'N' ? double.NaN : trimmed[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }

        return trimmed.All(c => char.IsAsciiDigit(c) || c is '.' or 'e' or 'E' or '+' or '-')
            && double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Reads text as Python's <c>int(text, radix)</c> does, for numbers of at most 1000 digits.</summary>
    internal static bool TryParseInteger(string text, int radix, out BigInteger value)
    {
        value = default;
        string digits = Characters.Trim(text);
        bool negative = digits.StartsWith('-');
        if (negative || digits.StartsWith('+'))
            digits = digits[1..];
        string prefix = radix switch { 16 => "0x", 8 => "0o", 2 => "0b", _ => "\0" };
        if (digits.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            digits = digits[2..];
        digits = digits.Replace("_", string.Empty, StringComparison.Ordinal);
        if (digits.Length is 0 or > 1000)
            return false;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? (c | 0x20) - 'a' + 10 : int.MaxValue;
            if (digit >= radix)
                return false;
            value = (value * radix) + digit;
        }

        value = negative ? -value : value;
        return true;
    }

    private static BigInteger FloorDivide(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && (remainder.Sign < 0) != (b.Sign < 0) ? quotient - 1 : quotient;
    }

    private static double FloatModulo(double x, double y)
    {
        double rest = x % y;
        return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
    }

    private static TemplateValue Power(TemplateValue left, TemplateValue right, bool integers, int origin)
    {
        if (integers && TryInteger(left, out BigInteger a) && TryInteger(right, out BigInteger b) && b.Sign >= 0)
        {
            if (BigInteger.Abs(a) <= 1)
                return new IntegerValue(a.Sign >= 0 || b.IsEven ? BigInteger.Abs(b.IsZero ? BigInteger.One : a) : a, origin);
            if (b * a.GetBitLength() > 2 * IntegerValue.MaxBits)
                throw new TemplateFault("**", $"an integer of more than {IntegerValue.MaxBits} bits");
            return new IntegerValue(BigInteger.Pow(a, (int)b), origin);
        }

        return new FloatValue(Math.Pow(ToDouble(left), ToDouble(right)), origin);
    }

    /// <summary>Digits without point or trailing zeros, and the decimal exponent of the first of them.</summary>
    private static (string Digits, int Exponent) Scientific(string shortest)
    {
        StringBuilder digits = new();
        foreach (char c in shortest)
        {
            if (c is 'E')
                break;
            if (char.IsAsciiDigit(c) && (c != '0' || digits.Length > 0))
                digits.Append(c);
        }

        string trimmed = digits.ToString().TrimEnd('0');
        if (trimmed.Length == 0)
            return ("0", 0);
        int point = shortest.IndexOf('E', StringComparison.Ordinal);
        if (point >= 0)
            return (trimmed, int.Parse(shortest.AsSpan(point + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        string plain = shortest.TrimStart('-');
        int dot = plain.IndexOf('.', StringComparison.Ordinal);
        int whole = dot < 0 ? plain.Length : dot;
        int first = plain.AsSpan().IndexOfAnyInRange('1', '9');
        return (trimmed, first < whole ? whole - 1 - first : whole - first);
    }
}
