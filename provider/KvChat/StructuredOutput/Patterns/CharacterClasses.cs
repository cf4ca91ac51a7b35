using System.Globalization;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>Named sets of characters, as ECMA-262 defines them: <c>\d</c> and <c>\w</c> are ASCII alone.</summary>
internal static class CharacterClasses
{
    public static readonly CharSet Digit = CharSet.Range('0', '9');

    public static readonly CharSet Word = CharSet.FromRanges([('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')]);

    /// <summary>WhiteSpace and LineTerminator of ECMA-262.</summary>
    public static readonly CharSet Space = CharSet.FromRanges(
        [('\t', '\r'), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]);

    /// <summary>What <c>.</c> matches: all but line terminators.</summary>
    public static readonly CharSet Dot = CharSet.FromRanges([('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)]).Complement();

    private static readonly Lazy<CharSet[]> ByCategory = new(ScanCategories);

    private static readonly string[] ShortNames =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "Sm", "Sc", "Sk", "So", "Cn",
    ];

    private static readonly Dictionary<string, string> LongNames = new(StringComparer.Ordinal)
    {
        ["Letter"] = "L", ["Uppercase_Letter"] = "Lu", ["Lowercase_Letter"] = "Ll", ["Titlecase_Letter"] = "Lt", ["Modifier_Letter"] = "Lm", ["Other_Letter"] = "Lo",
        ["Mark"] = "M", ["Nonspacing_Mark"] = "Mn", ["Spacing_Mark"] = "Mc", ["Enclosing_Mark"] = "Me",
        ["Number"] = "N", ["Decimal_Number"] = "Nd", ["digit"] = "Nd", ["Letter_Number"] = "Nl", ["Other_Number"] = "No",
        ["Separator"] = "Z", ["Space_Separator"] = "Zs", ["Line_Separator"] = "Zl", ["Paragraph_Separator"] = "Zp",
        ["Other"] = "C", ["Control"] = "Cc", ["Format"] = "Cf", ["Private_Use"] = "Co", ["Unassigned"] = "Cn",
        ["Punctuation"] = "P", ["punct"] = "P", ["Connector_Punctuation"] = "Pc", ["Dash_Punctuation"] = "Pd", ["Open_Punctuation"] = "Ps",
        ["Close_Punctuation"] = "Pe", ["Initial_Punctuation"] = "Pi", ["Final_Punctuation"] = "Pf", ["Other_Punctuation"] = "Po",
        ["Symbol"] = "S", ["Math_Symbol"] = "Sm", ["Currency_Symbol"] = "Sc", ["Modifier_Symbol"] = "Sk", ["Other_Symbol"] = "So",
    };

    /// <summary>The set that <c>\p{name}</c> means, or null where the name is not a general category, ASCII or Any.</summary>
    public static CharSet? Property(string name)
    {
        int equals = name.IndexOf('=', StringComparison.Ordinal);
        if (equals >= 0 && name[..equals] is not ("gc" or "General_Category"))
            return null;
        name = name[(equals + 1)..];
        if (name is "Any")
            return CharSet.All;
        if (name is "ASCII")
            return CharSet.Range(0, 0x7F);
        name = LongNames.GetValueOrDefault(name, name);
        CharSet? set = null;
        for (int c = 0; c < ShortNames.Length && name.Length is 1 or 2; c++)
        {
            if (ShortNames[c].StartsWith(name, StringComparison.Ordinal))
                set = set is null ? ByCategory.Value[c] : set.Union(ByCategory.Value[c]);
        }

        return set;
    }

    private static CharSet[] ScanCategories()
    {
        var ranges = new List<(int, int)>[ShortNames.Length];
        for (int c = 0; c < ranges.Length; c++)
            ranges[c] = [];
        int start = 0;
        for (int c = 0; c < CharSet.Limit; c++)
        {
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(c);
            if (c + 1 == CharSet.Limit || CharUnicodeInfo.GetUnicodeCategory(c + 1) != category)
            {
                ranges[(int)category].Add((start, c));
                start = c + 1;
            }
        }

        return Array.ConvertAll(ranges, CharSet.FromRanges);
    }
}
