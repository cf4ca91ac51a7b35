namespace KvChat.Templates;

/// <summary>Tokens with a place in them, and the errors of a parser.</summary>
internal sealed class TokenStream(List<Token> tokens)
{
    private int position;

    internal Token Current => tokens[position];

    internal Token Following => tokens[Math.Min(position + 1, tokens.Count - 1)];

    internal Token Next()
    {
        Token token = Current;
        if (position < tokens.Count - 1)
            position++;
        return token;
    }

    internal bool SkipName(string name)
    {
        bool found = Current.IsName(name);
        if (found)
            Next();
        return found;
    }

    internal bool SkipOperator(string op)
    {
        bool found = Current.IsOperator(op);
        if (found)
            Next();
        return found;
    }

    internal Token ExpectOperator(string op) => Current.IsOperator(op) ? Next() : throw Fail($"'{op}' is missing before {Current.Describe()}", op);

    internal Token ExpectName(string name) => Current.IsName(name) ? Next() : throw Fail($"'{name}' is missing before {Current.Describe()}", name);

    internal Token Expect(TokenKind kind, string what) => Current.Kind == kind ? Next() : throw Fail($"{what} is missing before {Current.Describe()}", Current.Text);

    internal ChatTemplateException Fail(string message, string? construct) => new(message, Current.Line, construct);
}
