namespace KvChat.Templates;

/// <summary>
/// Cuts a template into tokens with the white space rules of <c>trim_blocks</c> and <c>lstrip_blocks</c>: the line break after a block or
/// comment goes, so does white space between the start of a line and a block or comment; <c>-</c> strips further, <c>+</c> keeps.
/// </summary>
internal sealed class Lexer
{
    private const int MaxSourceLength = 1 << 20;
    private static readonly string[] LongOperators = ["//", "**", "==", "!=", ">=", "<="];

    private readonly string source;
    private readonly List<Token> tokens = [];
    private readonly Stack<char> open = new();
    private int position;
    private int line = 1;
    private int lineCountedTo;
    private bool lineStarts = true;

    private Lexer(string source)
    {
        if (source.Length > MaxSourceLength)
            throw new ChatTemplateException($"a template of {source.Length} characters; {MaxSourceLength} are allowed", 0, "template");
        string lines = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        this.source = lines.EndsWith('\n') ? lines[..^1] : lines;
    }

    /// <summary>All tokens, the last of kind <see cref="TokenKind.End"/>.</summary>
    internal static List<Token> Read(string source)
    {
        Lexer lexer = new(source);
        while (lexer.position < lexer.source.Length)
            lexer.ReadData();
        lexer.Add(TokenKind.End, string.Empty, lexer.source.Length);
        return lexer.tokens;
    }

    /// <summary>Reads text up to the next tag, and the tag.</summary>
    private void ReadData()
    {
        int tag = position;
        // `is` binds tighter than `&&`, and `or` belongs to the pattern.
        while (tag < source.Length && !(source[tag] == '{' && tag + 1 < source.Length && source[tag + 1] is '%' or '{' or '#'))
            tag++;
        if (tag == source.Length)
        {
            Add(TokenKind.Data, source[position..], position);
            position = tag;
            return;
        }

        char kind = source[tag + 1];
        int inside = tag + 2;
        char sign = inside < source.Length && source[inside] is '-' or '+' ? source[inside] : ' ';
        AddStripped(position, tag, sign, kind != '{');
        position = sign == ' ' ? inside : inside + 1;
        if (kind == '#')
            SkipComment(tag);
        else if (kind == '%' && TryRawBegin())
            ReadRaw(tag);
        else
            ReadTag(tag, kind == '%');
    }

    /// <summary>Adds text before a tag as the sign and the rules leave it.</summary>
    private void AddStripped(int start, int end, char sign, bool strips)
    {
        int kept = end;
        if (sign == '-')
        {
            while (kept > start && Characters.IsSpace(source[kept - 1]))
                kept--;
        }
        else if (sign != '+' && strips)
        {
            int lineStart = end;
            while (lineStart > start && source[lineStart - 1] != '\n' && Characters.IsSpace(source[lineStart - 1]))
                lineStart--;
            if (lineStart > start ? source[lineStart - 1] == '\n' : lineStarts)
                kept = lineStart;
        }

        if (kept > start)
            Add(TokenKind.Data, source[start..kept], start);
    }

    private void SkipComment(int tag)
    {
        int end = source.IndexOf("#}", position, StringComparison.Ordinal);
        if (end < 0)
            throw Fail("comment", "a comment that never ends", tag);
        char sign = end > position ? source[end - 1] : ' ';
        position = end + 2;
        EndTag(sign, trims: true);
    }

    /// <summary>Moves on after an end tag over the white space that its sign, or the rules, take away.</summary>
    private void EndTag(char sign, bool trims)
    {
        if (sign == '-')
        {
            while (position < source.Length && Characters.IsSpace(source[position]))
                position++;
        }
        else if (sign != '+' && trims && position < source.Length && source[position] == '\n')
        {
            position++;
        }

        lineStarts = source[position - 1] == '\n';
    }

    private bool TryRawBegin()
    {
        int at = SkipSpace(position);
        if (!Follows("raw", at))
            return false;
        at = SkipSpace(at + 3);
        bool strip = Follows("-%}", at);
        if (!strip && !Follows("%}", at))
            return false;
        position = at + (strip ? 3 : 2);
        lineStarts = false;
        if (strip)
            EndTag('-', trims: false);
        return true;
    }

    private void ReadRaw(int tag)
    {
        for (int at = source.IndexOf("{%", position, StringComparison.Ordinal); at >= 0; at = source.IndexOf("{%", at + 1, StringComparison.Ordinal))
        {
            int inside = at + 2;
            char sign = inside < source.Length && source[inside] is '-' or '+' ? source[inside] : ' ';
            int name = SkipSpace(sign == ' ' ? inside : inside + 1);
            if (!Follows("endraw", name))
                continue;
            int end = SkipSpace(name + 6);
            char endSign = end < source.Length && source[end] is '-' or '+' ? source[end] : ' ';
            if (!Follows("%}", endSign == ' ' ? end : end + 1))
                continue;
            AddStripped(position, at, sign, strips: true);
            position = end + (endSign == ' ' ? 2 : 3);
            EndTag(endSign, trims: true);
            return;
        }

        throw Fail("raw", "a raw block that never ends", tag);
    }

    /// <summary>Reads the tokens of a block or variable tag up to its end.</summary>
    private void ReadTag(int tag, bool isBlock)
    {
        Add(isBlock ? TokenKind.BlockBegin : TokenKind.VariableBegin, isBlock ? "{%" : "{{", tag);
        string end = isBlock ? "%}" : "}}";
        open.Clear();
        while (true)
        {
            position = SkipSpace(position);
            if (position == source.Length)
                throw Fail(null, $"a tag that never ends, for want of '{end}'", tag);
            char sign = source[position] == '-' || (isBlock && source[position] == '+') ? source[position] : ' ';
            int at = sign == ' ' ? position : position + 1;
            if (open.Count == 0 && Follows(end, at))
            {
                Add(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, end, position);
                position = at + 2;
                EndTag(sign, trims: isBlock);
                return;
            }

            ReadToken();
        }
    }

    private void ReadToken()
    {
        char c = source[position];
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
        }
        else if (Characters.IsIdentifierStart(c))
        {
            int start = position;
            while (position < source.Length && Characters.IsIdentifierPart(source[position]))
                position++;
            Add(TokenKind.Name, source[start..position], start);
        }
        else if (c is '\'' or '"')
        {
            ReadText(c);
        }
        else
        {
            ReadOperator(c);
        }
    }

    private void ReadOperator(char c)
    {
        string op = Array.Find(LongOperators, o => Follows(o, position)) ?? c.ToString();
        if (op.Length == 1 && !"+-/*%~[](){}><=.:|,;".Contains(c, StringComparison.Ordinal))
            throw Fail(op, $"unexpected character '{c}'", position);
        if (c is '(' or '[' or '{')
            open.Push(c);
        else if (c is ')' or ']' or '}' && (!open.TryPop(out char bracket) || bracket != (c == ')' ? '(' : c == ']' ? '[' : '{')))
            throw Fail(op, $"unexpected '{c}'", position);
        Add(TokenKind.Operator, op, position);
        position += op.Length;
    }

    private void ReadText(char quote)
    {
        int start = position++;
        while (position < source.Length && source[position] != quote)
            position += source[position] == '\\' ? 2 : 1;
        if (position >= source.Length)
            throw Fail(null, "a string that never ends", start);
        try
        {
            Add(TokenKind.Text, StringEscapes.Decode(source.AsSpan(start + 1, position - start - 1)), start);
        }
        catch (TemplateFault fault)
        {
            throw Fail(fault.Construct, fault.Message, start);
        }

        position++;
    }

    private void ReadNumber()
    {
        int start = position;
        if (source[position] == '0' && position + 1 < source.Length && (source[position + 1] | 0x20) is 'x' or 'o' or 'b')
        {
            position += 2;
            while (position < source.Length && (char.IsAsciiHexDigit(source[position]) || source[position] == '_'))
                position++;
            Add(TokenKind.Integer, source[start..position], start);
            return;
        }

        SkipDigits();
        bool isFloat = false;
        bool afterDot = start > 0 && source[start - 1] == '.';
        if (!afterDot && position + 1 < source.Length && source[position] == '.' && char.IsAsciiDigit(source[position + 1]))
        {
            isFloat = true;
            position++;
            SkipDigits();
        }

        int exponent = position + 1 < source.Length && source[position + 1] is '+' or '-' ? position + 2 : position + 1;
        if (!afterDot && exponent < source.Length && source[position] is 'e' or 'E' && char.IsAsciiDigit(source[exponent]))
        {
            isFloat = true;
            position = exponent;
            SkipDigits();
        }

        Add(isFloat ? TokenKind.Float : TokenKind.Integer, source[start..position], start);
    }

    private void SkipDigits()
    {
        while (position < source.Length && (char.IsAsciiDigit(source[position])
            || (source[position] == '_' && position + 1 < source.Length && char.IsAsciiDigit(source[position + 1]))))
        {
            position++;
        }
    }

    private int SkipSpace(int at)
    {
        while (at < source.Length && Characters.IsSpace(source[at]))
            at++;
        return at;
    }

    private bool Follows(string text, int at) => string.CompareOrdinal(source, at, text, 0, text.Length) == 0 && at <= source.Length;

    private void Add(TokenKind kind, string text, int at) => tokens.Add(new Token(kind, text, LineOf(at)));

    private int LineOf(int at)
    {
        if (at > lineCountedTo)
        {
            line += source.AsSpan(lineCountedTo, at - lineCountedTo).Count('\n');
            lineCountedTo = at;
        }

        return line;
    }

    private ChatTemplateException Fail(string? construct, string message, int at) =>
        new(message, source.AsSpan(0, Math.Min(at, source.Length)).Count('\n') + 1, construct);
}
