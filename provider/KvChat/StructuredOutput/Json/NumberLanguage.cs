using System.Numerics;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Json;

/// <summary>What numbers are wanted.</summary>
internal sealed record NumberRange
{
    public JsonDecimal? Min { get; init; }

    public bool MinIsExclusive { get; init; }

    public JsonDecimal? Max { get; init; }

    public bool MaxIsExclusive { get; init; }

    /// <summary>Whether 1 is wanted.</summary>
    public bool Integers { get; init; } = true;

    /// <summary>Whether 1.5 is wanted.</summary>
    public bool Fractions { get; init; } = true;

    public IReadOnlyList<JsonDecimal> MultiplesOf { get; init; } = [];

    public IReadOnlyList<JsonDecimal> NoMultiplesOf { get; init; } = [];

    public IReadOnlyList<JsonDecimal> Excluded { get; init; } = [];

    /// <summary>Whether an integer may be written as 1.0 where fractions are not wanted.</summary>
    public bool WritesIntegersWithPoint { get; init; }

    /// <summary>The same for equal ranges alone.</summary>
    public string Key => $"{Min}{(MinIsExclusive ? "<" : "<=")}{(Integers ? "i" : "")}{(Fractions ? "f" : "")}{(WritesIntegersWithPoint ? "p" : "")}{(MaxIsExclusive ? "<" : "<=")}{Max}"
        + $" of {string.Join(' ', MultiplesOf)} not of {string.Join(' ', NoMultiplesOf)} not {string.Join(' ', Excluded)}";

    /// <summary>Whether every number that is wanted is a multiple anyway, as integers are of 0.5.</summary>
    public bool HasOnlyMultiplesOf(JsonDecimal divisor) => !Fractions && new JsonDecimal(BigInteger.One, 0).IsMultipleOf(divisor);

    /// <summary>Whether being below zero is all that is forbidden.</summary>
    public bool IsAnyNotNegative => Min is { Unscaled.IsZero: true } && !MinIsExclusive && (this with { Min = null }).IsUnlimited;

    public bool IsUnlimited => Min is null && Max is null && MultiplesOf.All(HasOnlyMultiplesOf) && NoMultiplesOf.Count == 0 && Excluded.Count == 0 && Integers;
}

/// <summary>
/// The decimal texts of numbers within bounds: comparison of decimal texts is comparison of lengths, then of digits from the left, which an
/// automaton can do. Exponents are written only where the number is not bounded, but for its sign.
/// </summary>
internal sealed class NumberLanguage
{
    /// <summary>Most states of the automaton of one <c>multipleOf</c>.</summary>
    private const int MostRemainders = 20_000;

    private readonly LanguageFactory f = new();
    private readonly Language digit;
    private readonly Language nonZero;
    private readonly Language whole;
    private readonly Language anyFraction;

    private NumberLanguage()
    {
        digit = f.Set(CharSet.Range('0', '9'));
        nonZero = f.Set(CharSet.Range('1', '9'));
        whole = f.Or(f.Text("0"), f.Concat(nonZero, f.Star(digit)));
        anyFraction = f.Optional(f.Concat(f.Text("."), f.Plus(digit)));
    }

    /// <exception cref="AutomatonTooLargeException">The bounds need too many states.</exception>
    public static CharDfa Build(NumberRange range)
    {
        var builder = new NumberLanguage();
        CharDfa dfa = DfaBuilder.Build(builder.f, builder.Language(range));
        foreach (JsonDecimal multiple in range.MultiplesOf.Where(m => !range.HasOnlyMultiplesOf(m)))
            dfa = DfaOperations.Intersect(dfa, Multiples(multiple, true));
        foreach (JsonDecimal multiple in range.NoMultiplesOf)
            dfa = DfaOperations.Intersect(dfa, Multiples(multiple, false));
        return dfa;
    }

    private Language Language(NumberRange range)
    {
        Language result = f.Or(
            Unsigned(range.Min, range.MinIsExclusive, range.Max, range.MaxIsExclusive),
            f.Concat(f.Text("-"), Unsigned(range.Max?.Negated(), range.MaxIsExclusive, range.Min?.Negated(), range.MinIsExclusive)));
        Language zeros = f.Concat(f.Text("."), f.Plus(f.Text("0")));
        if (!range.Integers)
            result = f.And(result, Signed(f.Concat(f.Text("."), f.Star(digit), nonZero, f.Star(digit))));
        else if (!range.Fractions)
            result = f.And(result, Signed(range.WritesIntegersWithPoint ? f.Optional(zeros) : f.Empty));
        foreach (JsonDecimal value in range.Excluded)
            result = f.And(result, f.Not(Equal(value)));
        return range.IsUnlimited || range.IsAnyNotNegative ? f.Or(result, WithExponent(range)) : result;
    }

    /// <summary>With an exponent too; for integers only a non-negative one after an integer.</summary>
    private Language WithExponent(NumberRange range)
    {
        // Up to 307, so that a double can hold what is read.
        Language size = f.Or(f.Repeat(digit, 1, 2), f.Concat(f.Set(CharSet.OfAny("12")), digit, digit), f.Concat(f.Text("30"), f.Set(CharSet.Range('0', '8'))));
        Language e = f.Set(CharSet.OfAny("eE"));
        if (range.Fractions)
            return f.Concat(range.Min is null ? Signed(anyFraction) : f.Concat(whole, anyFraction), e, f.Optional(f.Set(CharSet.OfAny("+-"))), size);
        return range.WritesIntegersWithPoint ? f.Concat(range.Min is null ? Signed(f.Empty) : whole, e, f.Optional(f.Text("+")), size) : f.Nothing;
    }

    private Language Signed(Language fraction) => f.Concat(f.Optional(f.Text("-")), whole, fraction);

    /// <summary>Texts without a sign between bounds; a negative lower bound is none, and below a negative upper bound there is nothing.</summary>
    private Language Unsigned(JsonDecimal? min, bool minExclusive, JsonDecimal? max, bool maxExclusive)
    {
        if (max is { } m && (m.Unscaled.Sign < 0 || (m.Unscaled.IsZero && maxExclusive)))
            return f.Nothing;
        Language result = f.Concat(whole, anyFraction);
        if (min is { } low && (low.Unscaled.Sign > 0 || (low.Unscaled.IsZero && minExclusive)))
            result = AtLeast(low, minExclusive);
        return max is { } high ? f.And(result, f.Not(AtLeast(high, !maxExclusive))) : result;
    }

    /// <summary>Unsigned texts of numbers of at least, or more than, a bound that is not negative.</summary>
    private Language AtLeast(JsonDecimal bound, bool exclusive)
    {
        (string digits, string fraction) = bound.Digits();
        Language tail = f.Nothing;
        // More digits, or as many and greater at the first that differs.
        Language greater = f.Concat(nonZero, f.Repeat(digit, digits.Length, LanguageFactory.Unbounded), anyFraction);
        for (int i = 0; i < digits.Length; i++)
            greater = f.Or(greater, f.Concat(f.Text(digits[..i]), Above(digits[i]), f.Repeat(digit, digits.Length - i - 1, digits.Length - i - 1), anyFraction));
        for (int i = 0; i < fraction.Length; i++)
            tail = f.Or(tail, f.Concat(f.Text(fraction[..i]), Above(fraction[i]), f.Star(digit)));
        tail = f.Or(tail, f.Concat(f.Text(fraction), exclusive ? f.Concat(f.Star(digit), nonZero, f.Star(digit)) : f.Star(digit)));
        tail = f.Concat(f.Text("."), f.And(tail, f.Plus(digit)));
        if (fraction.Length == 0 && !exclusive)
            tail = f.Optional(tail);
        return f.Or(greater, f.Concat(f.Text(digits), tail));
    }

    private Language Above(char d) => d == '9' ? f.Nothing : f.Set(CharSet.Range(d + 1, '9'));

    /// <summary>Every text of a value; zero may have a sign.</summary>
    private Language Equal(JsonDecimal value)
    {
        (string digits, string fraction) = value.Digits();
        Language sign = value.Unscaled.IsZero ? f.Optional(f.Text("-")) : f.Text(value.Unscaled.Sign < 0 ? "-" : "");
        Language zeros = f.Star(f.Text("0"));
        Language rest = fraction.Length > 0
            ? f.Concat(f.Text("." + fraction), zeros)
            : f.Optional(f.Concat(f.Text(".0"), zeros));
        return f.Concat(sign, f.Text(digits), rest);
    }

    /// <summary>The texts of a value, as an automaton.</summary>
    public static CharDfa EqualTo(JsonDecimal value, bool withPoint)
    {
        var builder = new NumberLanguage();
        Language language = builder.Equal(value);
        if (value.IsInteger && !withPoint)
            language = builder.f.And(language, builder.Signed(builder.f.Empty));
        return DfaBuilder.Build(builder.f, language);
    }

    /// <summary>
    /// Texts of multiples of <c>a / 10^k</c>, or of all other numbers: the number times 10^k must leave no remainder by a. A state is the remainder so
    /// far and how many digits stand after the point; after k of them only zeros may follow in a multiple, and anything else leads to a last state.
    /// </summary>
    private static CharDfa Multiples(JsonDecimal multiple, bool wanted)
    {
        BigInteger divisor = BigInteger.Abs(multiple.Unscaled);
        int k = multiple.Scale;
        if (divisor * (k + 3) > MostRemainders)
            throw new AutomatonTooLargeException($"the multiples of {multiple} need more than {MostRemainders} states");
        int a = (int)divisor;
        // Classes: 0 to 9, point, minus. States: 0 start; 1 + remainder before the point; then by digits after it.
        int[] starts = [0, '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '9' + 1];
        int[] classes = [-1, 11, 10, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1];
        List<int[]> rows = [];
        List<bool> accepts = [];
        long[] scales = [.. Enumerable.Range(0, k + 1).Select(after => (long)BigInteger.ModPow(10, k - after, a))]; // what the digits that did not come would make of a remainder
        int At(int digitsAfter, int remainder) => 1 + ((digitsAfter + 1) * a) + remainder;
        int beyond = wanted ? -1 : 1 + ((k + 2) * a);
        for (int s = 0; s < 1 + ((k + 2) * a); s++)
        {
            int after = s == 0 ? -1 : ((s - 1) / a) - 1, remainder = s == 0 ? 0 : (s - 1) % a;
            var row = new int[12];
            for (int d = 0; d < 10; d++)
                row[d] = after == k ? (d == 0 ? s : beyond) : At(after < 0 ? -1 : after + 1, (int)(((remainder * 10L) + d) % a));
            row[10] = s == 0 || after >= 0 ? -1 : At(0, remainder);
            row[11] = s == 0 ? 0 : -1;
            rows.Add(row);
            accepts.Add(s != 0 && remainder * scales[Math.Max(0, after)] % a == 0 == wanted);
        }

        if (!wanted)
        {
            rows.Add([.. Enumerable.Repeat(beyond, 10), -1, -1]);
            accepts.Add(true);
        }

        return DfaBuilder.Trim(starts, classes, 12, rows, accepts);
    }
}
