using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace KvChat.StructuredOutput.Json;

/// <summary>A decimal number of any size, exactly: <c>Unscaled / 10^Scale</c>, with no trailing zeros in a positive scale.</summary>
internal readonly record struct JsonDecimal(BigInteger Unscaled, int Scale) : IComparable<JsonDecimal>
{
    /// <summary>Greatest exponent that is looked at: numbers beyond it would take unbounded memory.</summary>
    private const int GreatestExponent = 400;

    public bool IsInteger => Scale == 0;

    public static JsonDecimal Zero => new(BigInteger.Zero, 0);

    /// <summary>The number as written in JSON, or null where its exponent or length is unreasonable.</summary>
    public static JsonDecimal? TryParse(JsonElement number)
    {
        string text = number.GetRawText();
        int e = text.AsSpan().IndexOfAny('e', 'E');
        string mantissa = e < 0 ? text : text[..e];
        int exponent = 0;
        if (mantissa.Length > 1_000 || (e >= 0 && !int.TryParse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)) || Math.Abs(exponent) > GreatestExponent)
            return null;
        int dot = mantissa.IndexOf('.', StringComparison.Ordinal);
        int scale = dot < 0 ? 0 : mantissa.Length - dot - 1;
        BigInteger unscaled = BigInteger.Parse(dot < 0 ? mantissa : mantissa.Remove(dot, 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return Normalise(unscaled, scale - exponent);
    }

    public static JsonDecimal operator -(JsonDecimal value) => new(-value.Unscaled, value.Scale);

    public JsonDecimal Negated() => -this;

    public int CompareTo(JsonDecimal other)
    {
        int scale = Math.Max(Scale, other.Scale);
        return At(scale).CompareTo(other.At(scale));
    }

    /// <summary>Whether this is a whole number of times <paramref name="divisor"/>, which is not zero.</summary>
    public bool IsMultipleOf(JsonDecimal divisor)
    {
        int scale = Math.Max(Scale, divisor.Scale);
        return (At(scale) % divisor.At(scale)).IsZero;
    }

    /// <summary>Digits before and after the point of the absolute value, without needless zeros.</summary>
    public (string Whole, string Fraction) Digits()
    {
        string digits = BigInteger.Abs(Unscaled).ToString(CultureInfo.InvariantCulture).PadLeft(Scale + 1, '0');
        return (digits[..^Scale], Scale == 0 ? "" : digits[^Scale..]);
    }

    public override string ToString()
    {
        (string whole, string fraction) = Digits();
        return (Unscaled.Sign < 0 ? "-" : "") + whole + (fraction.Length > 0 ? "." + fraction : "");
    }

    private BigInteger At(int scale) => Unscaled * BigInteger.Pow(10, scale - Scale);

    private static JsonDecimal Normalise(BigInteger unscaled, int scale)
    {
        if (scale < 0)
            return new(unscaled * BigInteger.Pow(10, -scale), 0);
        while (scale > 0 && (unscaled % 10).IsZero)
        {
            unscaled /= 10;
            scale--;
        }

        return new(unscaled, scale);
    }
}
