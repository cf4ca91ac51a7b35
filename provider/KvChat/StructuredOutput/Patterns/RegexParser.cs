using System.Globalization;
using System.Text;
using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>
/// Reads regular expressions of ECMA-262 with Unicode characters, as JSON schema's <c>pattern</c> has them. Back-references, look-behind,
/// word borders and flags are refused by name. Groups capture nothing; lazy quantifiers mean the same language as greedy ones.
/// </summary>
internal sealed class RegexParser
{
    /// <summary>Longest pattern, and greatest count in braces.</summary>
    private const int LongestPattern = 20_000;

    private const int DeepestNesting = 200;

    private readonly int[] text;
    private int at;
    private int depth;

    private RegexParser(string pattern) => text = [.. pattern.EnumerateRunes().Select(r => r.Value)];

    /// <exception cref="RegexSyntaxException">The pattern is malformed, or uses what is not supported.</exception>
    public static RegexNode Parse(string pattern)
    {
        if (pattern.Length > LongestPattern)
            throw new RegexSyntaxException(0, $"the pattern has {pattern.Length} characters; at most {LongestPattern} are supported", true);
        var parser = new RegexParser(pattern);
        RegexNode node = parser.ReadChoice();
        return parser.at == parser.text.Length ? node : throw parser.Error("there is a ')' without '('");
    }

    private bool AtEnd => at >= text.Length;

    private int Peek => AtEnd ? -1 : text[at];

    private RegexSyntaxException Error(string message, bool unsupported = false) => new(at, message, unsupported);

    private bool Take(string expected)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (at + i >= text.Length || text[at + i] != expected[i])
                return false;
        }

        at += expected.Length;
        return true;
    }

    private RegexNode ReadChoice()
    {
        if (++depth > DeepestNesting)
            throw Error($"groups are nested more than {DeepestNesting} deep", true);
        List<RegexNode> parts = [ReadSequence()];
        while (Take("|"))
            parts.Add(ReadSequence());
        depth--;
        return parts.Count == 1 ? parts[0] : new RegexNode.Choice(parts);
    }

    private RegexNode ReadSequence()
    {
        List<RegexNode> parts = [];
        while (!AtEnd && Peek is not ('|' or ')'))
            parts.Add(ReadQuantified());
        return parts.Count == 1 ? parts[0] : new RegexNode.Sequence(parts);
    }

    private RegexNode ReadQuantified()
    {
        RegexNode atom = ReadAtom();
        while (ReadQuantifier() is (int min, int max))
        {
            if (atom is RegexNode.Start or RegexNode.End)
                throw Error("an anchor cannot be repeated");
            Take("?");
            if (Peek == '+')
                throw Error("possessive quantifiers are not part of ECMA-262", true);
            atom = new RegexNode.Repeat(atom, min, max);
            if (Peek is '*' or '?' or '+')
                throw Error("there is nothing to repeat");
        }

        return atom;
    }

    private (int Min, int Max)? ReadQuantifier()
    {
        if (Take("*"))
            return (0, LanguageFactory.Unbounded);
        if (Take("+"))
            return (1, LanguageFactory.Unbounded);
        if (Take("?"))
            return (0, 1);
        int start = at;
        if (Take("{") && ReadNumber() is int min)
        {
            int max = min;
            if (Take(","))
                max = ReadNumber() ?? LanguageFactory.Unbounded;
            if (Take("}"))
                return max >= min ? (min, max) : throw Error($"the quantifier's bounds {{{min},{max}}} are out of order");
        }

        at = start; // a brace that is no quantifier stands for itself
        return null;
    }

    private int? ReadNumber()
    {
        int start = at;
        long value = 0;
        while (Peek is >= '0' and <= '9')
        {
            value = Math.Min((value * 10) + text[at++] - '0', int.MaxValue - 1);
        }

        return at == start ? null : (int)value;
    }

    private RegexNode ReadAtom()
    {
        int c = Peek;
        switch (c)
        {
            case '^':
                at++;
                return new RegexNode.Start();
            case '$':
                at++;
                return new RegexNode.End();
            case '.':
                at++;
                return new RegexNode.Characters(CharacterClasses.Dot);
            case '(':
                return ReadGroup();
            case '[':
                return new RegexNode.Characters(ReadClass());
            case '\\':
                return new RegexNode.Characters(ReadEscape(inClass: false));
            case '*' or '+' or '?':
                throw Error("there is nothing to repeat");
            default:
                at++;
                return new RegexNode.Characters(CharSet.Of(c));
        }
    }

    private RegexNode ReadGroup()
    {
        int start = at;
        at++;
        bool? negativeLook = null;
        if (Take("?="))
            negativeLook = false;
        else if (Take("?!"))
            negativeLook = true;
        else if (Take("?<=") || Take("?<!"))
            throw Error("look-behind", true);
        else if (Take("?<") || Take("?P<"))
            SkipName();
        else if (!Take("?:") && Peek == '?')
            throw Error("groups that begin with '(?' must be (?:...), (?=...), (?!...) or (?<name>...); flags are not supported", true);
        RegexNode inner = ReadChoice();
        if (!Take(")"))
        {
            at = start;
            throw Error("the group is not closed");
        }

        return negativeLook is bool negative ? new RegexNode.Lookahead(inner, negative) : inner;
    }

    private void SkipName()
    {
        while (!AtEnd && Peek != '>')
            at++;
        if (!Take(">"))
            throw Error("the group's name is not closed with '>'");
    }

    private CharSet ReadClass()
    {
        int start = at++;
        bool negative = Take("^");
        CharSet set = CharSet.None;
        while (!Take("]"))
        {
            if (AtEnd)
            {
                at = start;
                throw Error("the class is not closed");
            }

            CharSet first = ReadClassAtom();
            if (Peek == '-' && at + 1 < text.Length && text[at + 1] != ']')
            {
                at++;
                CharSet last = ReadClassAtom();
                if (first.Bounds.Length == 2 && last.Bounds.Length == 2 && first.Bounds[1] == first.Bounds[0] + 1 && last.Bounds[1] == last.Bounds[0] + 1)
                {
                    if (last.Bounds[0] < first.Bounds[0])
                        throw Error("the range's ends are out of order");
                    set = set.Union(CharSet.Range(first.Bounds[0], last.Bounds[0]));
                    continue;
                }

                set = set.Union(first).Union(last).Union(CharSet.Of('-'));
                continue;
            }

            set = set.Union(first);
        }

        return negative ? set.Complement() : set;
    }

    private CharSet ReadClassAtom() => Peek == '\\' ? ReadEscape(inClass: true) : CharSet.Of(text[at++]);

    private CharSet ReadEscape(bool inClass)
    {
        at++;
        if (AtEnd)
            throw Error("a backslash ends the pattern");
        int c = text[at++];
        switch (c)
        {
            case 'd': return CharacterClasses.Digit;
            case 'D': return CharacterClasses.Digit.Complement();
            case 'w': return CharacterClasses.Word;
            case 'W': return CharacterClasses.Word.Complement();
            case 's': return CharacterClasses.Space;
            case 'S': return CharacterClasses.Space.Complement();
            case 't': return CharSet.Of('\t');
            case 'n': return CharSet.Of('\n');
            case 'r': return CharSet.Of('\r');
            case 'f': return CharSet.Of('\f');
            case 'v': return CharSet.Of('\v');
            case 'b' when inClass: return CharSet.Of('\b');
            case 'b' or 'B': throw Error("word borders", true);
            case '0' when Peek is < '0' or > '9': return CharSet.Of(0);
            case >= '0' and <= '9': throw Error("back-references", true);
            case 'k': throw Error("back-references", true);
            case 'c' when Peek is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z'): return CharSet.Of(text[at++] & 31);
            case 'x' when ReadHex(2) is int x: return CharSet.Of(x);
            case 'u': return ReadUnicodeEscape();
            case 'p' or 'P': return ReadProperty(c == 'P');
            case (>= 'a' and <= 'z') or (>= 'A' and <= 'Z'): throw Error($"the escape '\\{(char)c}' does not exist in ECMA-262", true);
            default: return CharSet.Of(c);
        }
    }

    private int? ReadHex(int digits)
    {
        int value = 0;
        for (int i = 0; i < digits; i++)
        {
            if (at + i >= text.Length || text[at + i] > 'f' || !char.IsAsciiHexDigit((char)text[at + i]))
                return null;
            value = (value * 16) + Convert.ToInt32(((char)text[at + i]).ToString(), 16);
        }

        at += digits;
        return value;
    }

    private CharSet ReadUnicodeEscape()
    {
        if (Take("{"))
        {
            int start = at;
            while (!AtEnd && Peek != '}')
                at++;
            string digits = string.Concat(text[start..at].Select(r => new Rune(r).ToString()));
            if (!Take("}") || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || !Rune.IsValid(value))
                throw Error("\\u{...} must hold the hexadecimal number of a character");
            return CharSet.Of(value);
        }

        int high = ReadHex(4) ?? throw Error("\\u must be followed by four hexadecimal digits");
        if (char.IsHighSurrogate((char)high))
        {
            int before = at;
            if (Take("\\u") && ReadHex(4) is int low && char.IsLowSurrogate((char)low))
                return CharSet.Of(char.ConvertToUtf32((char)high, (char)low));
            at = before;
        }

        return char.IsSurrogate((char)high) ? throw Error("half of a surrogate pair", true) : CharSet.Of(high);
    }

    private CharSet ReadProperty(bool negative)
    {
        int start = at;
        if (!Take("{"))
            throw Error("\\p must be followed by {name}");
        while (!AtEnd && Peek != '}')
            at++;
        string name = string.Concat(text[(start + 1)..at].Select(r => new Rune(r).ToString()));
        if (!Take("}"))
            throw Error("\\p{ is not closed");
        CharSet set = CharacterClasses.Property(name) ?? throw Error($"the property '{name}' is not a general category", true);
        return negative ? set.Complement() : set;
    }
}
