namespace KvChat.Templates;

internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A piece of a template. <paramref name="Text"/> is data, name or operator as written, a string without quotes and escapes, or digits.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    internal bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    internal bool IsOperator(string op) => Kind == TokenKind.Operator && Text == op;

    internal string Describe() => Kind switch
    {
        TokenKind.End => "end of the template",
        TokenKind.BlockBegin or TokenKind.BlockEnd or TokenKind.VariableBegin or TokenKind.VariableEnd => $"'{Text}'",
        TokenKind.Data => "text",
        TokenKind.Text => "a string",
        _ => $"'{Text}'",
    };
}
