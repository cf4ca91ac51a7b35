namespace KvChat.Templates;

/// <summary>An expression, and the line on which it starts.</summary>
internal abstract record Expression(int Line);

internal sealed record ConstantExpression(int Line, TemplateValue Value) : Expression(Line);

internal sealed record NameExpression(int Line, string Name) : Expression(Line);

/// <summary>A list, or a tuple, also as the target of an assignment.</summary>
internal sealed record SequenceExpression(int Line, IReadOnlyList<Expression> Items, bool IsTuple) : Expression(Line);

internal sealed record MapExpression(int Line, IReadOnlyList<(Expression Key, Expression Value)> Entries) : Expression(Line);

/// <summary><c>target.name</c>.</summary>
internal sealed record AttributeExpression(int Line, Expression Target, TextValue Name) : Expression(Line);

/// <summary><c>target[index]</c>.</summary>
internal sealed record IndexExpression(int Line, Expression Target, Expression Index) : Expression(Line);

/// <summary><c>target[start:stop:step]</c>.</summary>
internal sealed record SliceExpression(int Line, Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);

internal sealed record CallExpression(int Line, Expression Target, ArgumentList Arguments) : Expression(Line);

/// <summary><c>target|name(...)</c>; the target is null at the head of a filter block.</summary>
internal sealed record FilterExpression(int Line, Expression? Target, string Name, ArgumentList Arguments) : Expression(Line);

internal sealed record TestExpression(int Line, Expression Target, string Name, ArgumentList Arguments) : Expression(Line);

internal sealed record NotExpression(int Line, Expression Operand) : Expression(Line);

internal sealed record SignExpression(int Line, Expression Operand, bool Negate) : Expression(Line);

internal sealed record ArithmeticExpression(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);

/// <summary><c>and</c> and <c>or</c>.</summary>
internal sealed record LogicalExpression(int Line, bool IsAnd, Expression Left, Expression Right) : Expression(Line);

/// <summary><c>a ~ b ~ c</c>.</summary>
internal sealed record ConcatExpression(int Line, IReadOnlyList<Expression> Parts) : Expression(Line);

/// <summary><c>a &lt; b &lt;= c</c>, each evaluated once.</summary>
internal sealed record CompareExpression(int Line, Expression First, IReadOnlyList<(string Operator, Expression Operand)> Rest) : Expression(Line);

/// <summary><c>then if test else otherwise</c>.</summary>
internal sealed record ConditionalExpression(int Line, Expression Test, Expression Then, Expression? Otherwise) : Expression(Line);

/// <summary>What stands between the parentheses of a call.</summary>
internal sealed record ArgumentList(IReadOnlyList<Expression> Positional, IReadOnlyList<(string Name, Expression Value)> Named, Expression? Spread, Expression? NamedSpread)
{
    internal static readonly ArgumentList None = new([], [], null, null);
}
