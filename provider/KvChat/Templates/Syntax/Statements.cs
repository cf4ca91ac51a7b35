namespace KvChat.Templates;

/// <summary>A statement, and the line on which it starts.</summary>
internal abstract record Statement(int Line);

/// <summary>Text of the template.</summary>
internal sealed record TextStatement(int Line, TextValue Text) : Statement(Line);

internal sealed record OutputStatement(int Line, Expression Value) : Statement(Line);

internal sealed record IfStatement(int Line, IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Otherwise) : Statement(Line);

internal sealed record ForStatement(int Line, Expression Target, Expression Source, Expression? Filter, bool IsRecursive, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Otherwise)
    : Statement(Line);

internal sealed record SetStatement(int Line, Expression Target, Expression Value) : Statement(Line);

/// <summary><c>{% set x | filter %} ... {% endset %}</c>.</summary>
internal sealed record SetBlockStatement(int Line, Expression Target, FilterExpression? Filter, IReadOnlyList<Statement> Body) : Statement(Line);

internal sealed record MacroStatement(int Line, MacroDefinition Macro) : Statement(Line);

internal sealed record CallBlockStatement(int Line, CallExpression Call, MacroDefinition Caller) : Statement(Line);

internal sealed record FilterBlockStatement(int Line, FilterExpression Filter, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Statements with names of their own: <c>with</c>, <c>generation</c> and <c>block</c> (which sees no names but the outermost).</summary>
internal sealed record ScopeStatement(int Line, IReadOnlyList<(Expression Target, Expression Value)> Values, IReadOnlyList<Statement> Body, bool FromRoot) : Statement(Line);

/// <summary><c>break</c> or <c>continue</c>.</summary>
internal sealed record LoopControlStatement(int Line, bool IsBreak) : Statement(Line);

/// <summary>A macro, or the body of a <c>call</c> block.</summary>
internal sealed record MacroDefinition(string Name, IReadOnlyList<(string Name, Expression? Default)> Parameters, IReadOnlyList<Statement> Body, MacroExtras Extras);

/// <summary>Which arguments beyond its parameters a macro asks for, by mentioning their names.</summary>
[Flags]
internal enum MacroExtras
{
    None = 0,
    Caller = 1,
    Positional = 2,
    Named = 4,
}
