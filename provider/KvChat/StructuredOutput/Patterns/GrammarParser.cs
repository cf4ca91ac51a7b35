using System.Globalization;
using System.Text;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Patterns;

/// <summary>
/// Reads grammars in the notation of GBNF: <c>name ::= alternatives</c>, "text" (with escapes <c>\n \t \r \\ \" \xHH \uHHHH \UHHHHHHHH</c>),
/// <c>[a-z]</c>, <c>[^...]</c>, <c>.</c>, groups, <c>* + ? {m} {m,} {m,n}</c>, <c># comments</c>. A rule ends where the next begins.
/// </summary>
internal sealed class GrammarParser
{
    private const int DeepestNesting = 100;

    private readonly int[] text;
    private readonly Dictionary<string, Rule> rules = new(StringComparer.Ordinal);
    private readonly HashSet<string> defined = new(StringComparer.Ordinal);
    private int at;
    private int depth;

    private GrammarParser(string grammar) => text = [.. grammar.EnumerateRunes().Select(r => r.Value)];

    /// <summary>The settled piece of the rule <c>root</c>.</summary>
    /// <exception cref="ConstraintSyntaxException">The grammar is malformed.</exception>
    /// <exception cref="SchemaNotSupportedException">It is left-recursive, or no finite text satisfies it.</exception>
    public static Piece Parse(string grammar)
    {
        var parser = new GrammarParser(grammar);
        parser.ReadRules();
        if (!parser.defined.Contains("root"))
            throw parser.Error("there is no rule named 'root'");
        foreach (string name in parser.rules.Keys)
        {
            if (!parser.defined.Contains(name))
                throw parser.Error($"the rule '{name}' is used, but not defined");
        }

        Rule root = parser.rules["root"];
        IReadOnlyCollection<Piece> pieces = PieceGraph.Settle(root);
        LeftRecursion.Refuse(pieces);
        return root.CanBeWritten ? root : throw new SchemaNotSupportedException("root", "", "no finite text satisfies the grammar");
    }

    private int Peek => at < text.Length ? text[at] : -1;

    private ConstraintSyntaxException Error(string message)
    {
        int end = Math.Min(at, text.Length);
        int line = 1 + text.AsSpan(0, end).Count('\n'), column = end - text.AsSpan(0, end).LastIndexOf('\n');
        return new("grammar", $"line {line}, column {column}", message);
    }

    private void ReadRules()
    {
        SkipSpace();
        while (at < text.Length)
        {
            string name = ReadName() ?? throw Error("a rule must begin with a name of letters, digits, '-' and '_'");
            SkipSpace();
            if (!Take("::="))
                throw Error($"'::=' must follow the name '{name}'");
            if (!defined.Add(name))
                throw Error($"the rule '{name}' is defined twice");
            SkipSpace();
            RuleOf(name).Body = ReadChoice();
        }
    }

    private Rule RuleOf(string name)
    {
        if (!rules.TryGetValue(name, out Rule? rule))
            rules[name] = rule = new Rule(name);
        return rule;
    }

    private Piece ReadChoice()
    {
        if (++depth > DeepestNesting)
            throw Error($"groups are nested more than {DeepestNesting} deep");
        List<Piece> ways = [ReadSequence()];
        while (Take("|"))
        {
            SkipSpace();
            ways.Add(ReadSequence());
        }

        depth--;
        return ways.Count == 1 ? ways[0] : new Choice(ways);
    }

    private Piece ReadSequence()
    {
        List<Piece> parts = [];
        while (at < text.Length && Peek is not ('|' or ')') && !AtNextRule())
        {
            Piece part = ReadAtom();
            SkipSpace();
            parts.Add(ReadRepeats(part));
        }

        return parts.Count == 1 ? parts[0] : new Sequence(parts);
    }

    private bool AtNextRule()
    {
        int before = at;
        bool isRule = ReadName() is not null;
        SkipSpace();
        isRule = isRule && Take("::=");
        at = before;
        return isRule;
    }

    private Piece ReadRepeats(Piece part)
    {
        while (true)
        {
            (int Min, int Max) bounds;
            if (Take("*"))
                bounds = (0, int.MaxValue);
            else if (Take("+"))
                bounds = (1, int.MaxValue);
            else if (Take("?"))
                bounds = (0, 1);
            else if (Take("{"))
                bounds = ReadBounds();
            else
                return part;
            SkipSpace();
            part = new Repetition(part, bounds.Min, bounds.Max);
        }
    }

    private (int Min, int Max) ReadBounds()
    {
        int min = ReadNumber(), max = min;
        if (Take(","))
            max = Peek == '}' ? int.MaxValue : ReadNumber();
        if (!Take("}") || max < min)
            throw Error("bounds must be {m}, {m,} or {m,n} with m not above n");
        return (min, max);
    }

    private int ReadNumber()
    {
        int start = at;
        while (Peek is >= '0' and <= '9')
            at++;
        string digits = string.Concat(text[start..at].Select(c => (char)c));
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value < int.MaxValue ? value : throw Error("a number below 2147483647 must stand here");
    }

    private Piece ReadAtom()
    {
        if (Peek == '"')
            return JsonLexemes.Plain(DfaOperations.FromWords([ReadText()]));
        if (Peek == '[')
            return One(ReadClass());
        if (Take("."))
            return One(CharSet.All);
        if (Take("("))
        {
            SkipSpace();
            Piece inner = ReadChoice();
            return Take(")") ? inner : throw Error("the group is not closed");
        }

        return ReadName() is { } name ? RuleOf(name) : throw Error("a text, class, group or rule's name must stand here");
    }

    private static Lexeme One(CharSet set) => JsonLexemes.Compile(f => f.Set(set));

    private string ReadText()
    {
        int start = at++;
        var builder = new StringBuilder();
        while (Peek is not ('"' or -1))
            builder.Append(new Rune(ReadCharacter()));
        if (Take("\""))
            return builder.ToString();
        at = start;
        throw Error("the text is not closed");
    }

    private CharSet ReadClass()
    {
        int start = at++;
        bool negative = Take("^");
        List<(int, int)> ranges = [];
        while (Peek is not (']' or -1))
        {
            int first = ReadCharacter(), last = first;
            if (Peek == '-' && at + 1 < text.Length && text[at + 1] != ']')
            {
                at++;
                last = ReadCharacter();
            }

            if (last < first)
                throw Error("the range's ends are out of order");
            ranges.Add((first, last));
        }

        if (!Take("]"))
        {
            at = start;
            throw Error("the class is not closed");
        }

        CharSet set = CharSet.FromRanges(ranges);
        return negative ? set.Complement() : set;
    }

    private int ReadCharacter()
    {
        int c = text[at++];
        if (c != '\\')
            return c;
        int escape = Peek;
        at++;
        return escape switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => ReadHex(2),
            'u' => ReadHex(4),
            'U' => ReadHex(8),
            '\\' or '"' or '[' or ']' or '-' or '^' => escape,
            _ => throw Error("an escape must be one of \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xHH \\uHHHH \\UHHHHHHHH"),
        };
    }

    private int ReadHex(int digits)
    {
        string hex = string.Concat(text.Skip(at).Take(digits).Select(c => new Rune(c).ToString()));
        if (hex.Length != digits || !int.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || !Rune.IsValid(value))
            throw Error($"{digits} hexadecimal digits of a character must stand here");
        at += digits;
        return value;
    }

    private string? ReadName()
    {
        int start = at;
        while (Peek is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '0' and <= '9') or '-' or '_')
            at++;
        return at == start ? null : string.Concat(text[start..at].Select(c => (char)c));
    }

    private bool Take(string expected)
    {
        if (at + expected.Length > text.Length || expected.Where((c, i) => text[at + i] != c).Any())
            return false;
        at += expected.Length;
        return true;
    }

    private void SkipSpace()
    {
        while (Peek is ' ' or '\t' or '\r' or '\n' or '#')
        {
            if (text[at++] != '#')
                continue;
            while (Peek is not ('\n' or -1))
                at++;
        }
    }
}
