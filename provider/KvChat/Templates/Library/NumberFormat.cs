using System.Globalization;
using System.Numerics;

namespace KvChat.Templates;

/// <summary>Numbers as Python's format codes write them. Signs and padding are the callers' affair: these take magnitudes.</summary>
internal static class NumberFormat
{
    private const int MaxPrecision = 400;

    /// <summary>A magnitude with a float code: e, f, g, % (with upper case), or 'r' for what <c>str()</c> writes.</summary>
    internal static string Float(double value, char code, int precision, bool alternate, string construct)
    {
        char kind = char.ToLowerInvariant(code);
        if (precision > MaxPrecision)
            throw new TemplateFault(construct, $"a precision of {precision} digits; {MaxPrecision} are allowed");
        string digits = !double.IsFinite(value) ? Numbers.Repr(value) : kind switch
        {
            'f' => Fixed(value, precision),
            '%' => Fixed(value * 100, precision) + "%",
            'e' => Exponential(value, precision),
            'r' => Numbers.Repr(value),
            _ => General(value, Math.Max(1, precision), alternate),
        };
        return char.IsUpper(code) ? digits.ToUpperInvariant() : digits;
    }

    /// <summary>A magnitude in radix 2, 8, 10 or 16.</summary>
    internal static string Integer(BigInteger value, char code)
    {
        string digits = char.ToLowerInvariant(code) switch
        {
            'x' => value.ToString("x", CultureInfo.InvariantCulture).TrimStart('0'),
            'o' => Octal(value),
            'b' => value.ToString("b", CultureInfo.InvariantCulture).TrimStart('0'),
            _ => value.ToString(CultureInfo.InvariantCulture),
        };
        if (digits.Length == 0)
            digits = "0";
        return code == 'X' ? digits.ToUpperInvariant() : digits;
    }

    /// <summary>Groups the digits before the point by three.</summary>
    internal static string Group(string digits, char separator)
    {
        int end = 0;
        while (end < digits.Length && char.IsAsciiDigit(digits[end]))
            end++;
        string grouped = digits[end..];
        for (int i = end; i > 0; i -= 3)
            grouped = (i > 3 ? separator.ToString() : string.Empty) + digits[Math.Max(0, i - 3)..i] + grouped;
        return grouped;
    }

    /// <summary>Rounds as Python's <c>round</c> does: exactly, ties to even.</summary>
    internal static double Round(double value, int digits)
    {
        if (!double.IsFinite(value) || digits > 330)
            return value;
        if (digits < -330)
            return 0;
        return Math.CopySign(double.Parse($"{Numbers.ScaledRound(value, digits)}E{-digits}", CultureInfo.InvariantCulture), value);
    }

    private static string Fixed(double value, int precision)
    {
        string digits = Numbers.ScaledRound(value, precision).ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        return precision == 0 ? digits : $"{digits[..^precision]}.{digits[^precision..]}";
    }

    private static string Exponential(double value, int precision)
    {
        if (value == 0)
            return (precision == 0 ? "0" : "0." + new string('0', precision)) + "e+00";
        int exponent = (int)Math.Floor(Math.Log10(value));
        BigInteger scaled = Numbers.ScaledRound(value, precision - exponent);
        int extra = scaled.ToString(CultureInfo.InvariantCulture).Length - (precision + 1);
        if (extra != 0)
        {
            exponent += extra;
            scaled = Numbers.ScaledRound(value, precision - exponent);
        }

        string digits = scaled.ToString(CultureInfo.InvariantCulture);
        string mantissa = precision == 0 ? digits : $"{digits[0]}.{digits[1..(precision + 1)]}";
        return $"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    private static string General(double value, int precision, bool alternate)
    {
        string exponential = Exponential(value, precision - 1);
        int at = exponential.IndexOf('e', StringComparison.Ordinal);
        int exponent = int.Parse(exponential.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent >= -4 && exponent < precision)
            return Trim(Fixed(value, precision - 1 - exponent), alternate);
        return Trim(exponential[..at], alternate) + exponential[at..];
    }

    private static string Trim(string digits, bool alternate) =>
        alternate || !digits.Contains('.', StringComparison.Ordinal) ? digits : digits.TrimEnd('0').TrimEnd('.');

    private static string Octal(BigInteger value)
    {
        System.Text.StringBuilder digits = new();
        for (; !value.IsZero; value >>= 3)
            digits.Insert(0, (char)('0' + (int)(value & 7)));
        return digits.ToString();
    }
}
