using System.Runtime.CompilerServices;

namespace KvChat.Templates;

/// <summary>Reads expressions, from the loosest operator (<c>if</c>) to the tightest.</summary>
internal sealed partial class ExpressionParser(TokenStream stream)
{
    private const int MaxDepth = 200;

    private static readonly HashSet<string> Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    private int depth;

    /// <summary>Names that say what a macro takes beyond its parameters; the statement parser collects them per macro.</summary>
    internal MacroExtras Mentioned { get; set; }

    internal void Enter()
    {
        if (++depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw stream.Fail($"nested deeper than {MaxDepth} levels", "depth");
    }

    internal void Leave() => depth--;

    /// <summary>One expression, or a tuple of several without parentheses.</summary>
    internal Expression ParseTuple(bool conditional = true, string? endName = null, bool allowEmpty = false)
    {
        int line = stream.Current.Line;
        List<Expression> items = [];
        bool isTuple = false;
        while (!EndsTuple(endName))
        {
            items.Add(conditional ? Parse() : ParseOr());
            if (!stream.SkipOperator(","))
                break;
            isTuple = true;
        }

        if (!isTuple && items.Count == 1)
            return items[0];
        if (items.Count == 0 && !allowEmpty)
            throw stream.Fail($"an expression is missing before {stream.Current.Describe()}", stream.Current.Text);
        return new SequenceExpression(line, items, true);
    }

    internal Expression Parse()
    {
        Enter();
        int line = stream.Current.Line;
        Expression value = ParseOr();
        while (stream.SkipName("if"))
        {
            Expression test = ParseOr();
            value = new ConditionalExpression(line, test, value, stream.SkipName("else") ? Parse() : null);
        }

        Leave();
        return value;
    }

    internal Expression ParseOr()
    {
        int line = stream.Current.Line;
        Expression left = ParseAnd();
        while (stream.SkipName("or"))
            left = new LogicalExpression(line, false, left, ParseAnd());
        return left;
    }

    /// <summary>Filters after a value, or a chain of them that stands alone at the head of a block.</summary>
    internal FilterExpression? ParseFilters(Expression? target, bool startsWithName)
    {
        FilterExpression? filter = null;
        while (startsWithName || stream.SkipOperator("|"))
        {
            startsWithName = false;
            int line = stream.Current.Line;
            string name = ParseDottedName("a filter's name");
            filter = new FilterExpression(line, filter ?? target, name, stream.Current.IsOperator("(") ? ParseArguments() : ArgumentList.None);
        }

        return filter;
    }

    /// <summary>The target of an assignment: a name, names in a tuple, or an attribute of a namespace.</summary>
    internal Expression ParseTarget(bool allowAttribute, string? endName = null)
    {
        int line = stream.Current.Line;
        List<Expression> targets = [];
        bool isTuple = false;
        while (!EndsTuple(endName))
        {
            targets.Add(ParseTargetPart(allowAttribute));
            if (!stream.SkipOperator(","))
                break;
            isTuple = true;
        }

        if (targets.Count == 0)
            throw stream.Fail($"a name to assign to is missing before {stream.Current.Describe()}", stream.Current.Text);
        return isTuple ? new SequenceExpression(line, targets, true) : targets[0];
    }

    private Expression ParseTargetPart(bool allowAttribute)
    {
        int line = stream.Current.Line;
        if (stream.SkipOperator("("))
        {
            Enter();
            Expression inner = ParseTarget(allowAttribute);
            Leave();
            stream.ExpectOperator(")");
            return inner;
        }

        string name = stream.Expect(TokenKind.Name, "a name to assign to").Text;
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
            throw stream.Fail($"'{name}' cannot be assigned to", name);
        NameExpression target = new(line, name);
        return allowAttribute && stream.SkipOperator(".")
            ? new AttributeExpression(line, target, new TextValue(stream.Expect(TokenKind.Name, "an attribute's name").Text, 0))
            : target;
    }

    private bool EndsTuple(string? endName) => stream.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd
        || stream.Current.IsOperator(")") || (endName is not null && stream.Current.IsName(endName));

    private Expression ParseAnd()
    {
        int line = stream.Current.Line;
        Expression left = ParseNot();
        while (stream.SkipName("and"))
            left = new LogicalExpression(line, true, left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        int line = stream.Current.Line;
        if (!stream.SkipName("not"))
            return ParseCompare();
        Enter();
        NotExpression not = new(line, ParseNot());
        Leave();
        return not;
    }

    private Expression ParseCompare()
    {
        int line = stream.Current.Line;
        Expression first = ParseSum();
        List<(string, Expression)> rest = [];
        while (true)
        {
            if (stream.Current.Kind == TokenKind.Operator && Comparisons.Contains(stream.Current.Text))
            {
                string op = stream.Next().Text;
                rest.Add((op, ParseSum()));
            }
            else if (stream.SkipName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (stream.Current.IsName("not") && stream.Following.IsName("in"))
            {
                stream.Next();
                stream.Next();
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new CompareExpression(line, first, rest);
            }
        }
    }

    private Expression ParseSum()
    {
        Expression left = ParseConcat();
        while (stream.Current.IsOperator("+") || stream.Current.IsOperator("-"))
        {
            Token op = stream.Next();
            left = new ArithmeticExpression(op.Line, op.Text, left, ParseConcat());
        }

        return left;
    }

    private Expression ParseConcat()
    {
        int line = stream.Current.Line;
        Expression first = ParseProduct();
        if (!stream.Current.IsOperator("~"))
            return first;
        List<Expression> parts = [first];
        while (stream.SkipOperator("~"))
            parts.Add(ParseProduct());
        return new ConcatExpression(line, parts);
    }

    private Expression ParseProduct()
    {
        Expression left = ParsePower();
        while (stream.Current.Kind == TokenKind.Operator && stream.Current.Text is "*" or "/" or "//" or "%")
        {
            Token op = stream.Next();
            left = new ArithmeticExpression(op.Line, op.Text, left, ParsePower());
        }

        return left;
    }

    private Expression ParsePower()
    {
        Expression left = ParseUnary(true);
        while (stream.Current.IsOperator("**"))
        {
            Token op = stream.Next();
            left = new ArithmeticExpression(op.Line, op.Text, left, ParseUnary(true));
        }

        return left;
    }

    private Expression ParseUnary(bool filters)
    {
        Token token = stream.Current;
        Expression value;
        if (token.IsOperator("-") || token.IsOperator("+"))
        {
            stream.Next();
            Enter();
            value = new SignExpression(token.Line, ParseUnary(false), token.Text == "-");
            Leave();
        }
        else
        {
            value = ParsePrimary();
        }

        value = ParsePostfix(value);
        return filters ? ParseFiltersAndTests(value) : value;
    }
}
