using System.Globalization;
using System.Text;

namespace KvChat.Templates;

/// <summary>Python's classes of characters and its full case mappings, where they differ from .NET's.</summary>
internal static class Characters
{
    /// <summary>Upper case of the characters that become several.</summary>
    private static readonly Dictionary<char, string> LongUpper = new()
    {
        ['ß'] = "SS", ['ŉ'] = "ʼN", ['ǰ'] = "J\u030c", ['ΐ'] = "Ι\u0308\u0301", ['ΰ'] = "Υ\u0308\u0301", ['և'] = "ԵՒ", ['ẖ'] = "H\u0331", ['ẗ'] = "T\u0308",
        ['ẘ'] = "W\u030a", ['ẙ'] = "Y\u030a", ['ẚ'] = "Aʾ", ['ﬀ'] = "FF", ['ﬁ'] = "FI", ['ﬂ'] = "FL", ['ﬃ'] = "FFI", ['ﬄ'] = "FFL", ['ﬅ'] = "ST", ['ﬆ'] = "ST",
        ['ﬓ'] = "ՄՆ", ['ﬔ'] = "ՄԵ", ['ﬕ'] = "ՄԻ", ['ﬖ'] = "ՎՆ", ['ﬗ'] = "ՄԽ",
    };

    /// <summary>White space as <c>str.isspace</c> and <c>\s</c> see it.</summary>
    internal static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    /// <summary>Where <c>splitlines</c> breaks; a carriage return with its line feed is one break.</summary>
    internal static bool IsLineBreak(char c) => c is '\n' or '\r' or '\v' or '\f' or (>= '\x1c' and <= '\x1e') or '\x85' or '\u2028' or '\u2029';

    internal static string Trim(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsSpace(text[start]))
            start++;
        while (end > start && IsSpace(text[end - 1]))
            end--;
        return text[start..end];
    }

    /// <summary>The code point at a position; a lone surrogate is given as U+FFFD.</summary>
    internal static Rune RuneAt(string text, int index) => Rune.TryGetRuneAt(text, index, out Rune rune) ? rune : Rune.ReplacementChar;

    internal static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value == '_' || IsNumeric(rune);

    internal static bool IsNumeric(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary>Whether <c>repr</c> shows the code point as it is.</summary>
    internal static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    internal static bool IsCased(Rune rune) => Rune.IsUpper(rune) || Rune.IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter;

    internal static bool IsIdentifierStart(char c) => c == '_' || char.IsLetter(c) || char.GetUnicodeCategory(c) == UnicodeCategory.LetterNumber;

    internal static bool IsIdentifierPart(char c) => IsIdentifierStart(c) || char.GetUnicodeCategory(c) is UnicodeCategory.DecimalDigitNumber
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.ConnectorPunctuation;

    /// <summary>Upper case of one code point, which may be several characters.</summary>
    internal static string Upper(string text, int index, int width)
    {
        if (width == 1)
            return LongUpper.TryGetValue(text[index], out string? several) ? several : char.ToUpperInvariant(text[index]).ToString();
        return Rune.ToUpperInvariant(RuneAt(text, index)).ToString();
    }

    /// <summary>Title case of one code point: as upper case, with a small tail.</summary>
    internal static string Title(string text, int index, int width)
    {
        string upper = text[index] switch { 'ǆ' or 'Ǆ' or 'ǅ' => "ǅ", 'ǉ' or 'Ǉ' or 'ǈ' => "ǈ", 'ǌ' or 'Ǌ' or 'ǋ' => "ǋ", 'ǳ' or 'Ǳ' or 'ǲ' => "ǲ", _ => Upper(text, index, width) };
        return width == 1 && upper.Length > 1 ? upper[..1] + upper[1..].ToLowerInvariant() : upper;
    }

    /// <summary>Lower case of one code point; a sigma that ends a word takes its final form.</summary>
    internal static string Lower(string text, int index, int width)
    {
        if (width > 1)
            return Rune.ToLowerInvariant(RuneAt(text, index)).ToString();
        return text[index] switch
        {
            'İ' => "i\u0307",
            'Σ' => EndsWord(text, index) ? "ς" : "σ",
            char c => char.ToLowerInvariant(c).ToString(),
        };
    }

    private static bool EndsWord(string text, int index) =>
        index > 0 && char.IsLetter(text[index - 1]) && (index + 1 == text.Length || !char.IsLetter(text[index + 1]));
}
