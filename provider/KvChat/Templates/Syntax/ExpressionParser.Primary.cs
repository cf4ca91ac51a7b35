using System.Globalization;
using System.Numerics;

namespace KvChat.Templates;

/// <content>Literals, names, and what may follow a value: attributes, subscripts, calls, filters and tests.</content>
internal sealed partial class ExpressionParser
{
    private Expression ParsePrimary()
    {
        Token token = stream.Next();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return ParseName(token);
            case TokenKind.Text:
                string text = token.Text;
                while (stream.Current.Kind == TokenKind.Text)
                    text += stream.Next().Text;
                return new ConstantExpression(token.Line, new TextValue(text, 0));
            case TokenKind.Integer:
                return new ConstantExpression(token.Line, ParseInteger(token));
            case TokenKind.Float:
                return new ConstantExpression(token.Line, new FloatValue(double.Parse(token.Text.Replace("_", string.Empty, StringComparison.Ordinal), CultureInfo.InvariantCulture), 0));
            case TokenKind.Operator when token.Text == "(":
                Expression inner = ParseTuple(allowEmpty: true);
                stream.ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new SequenceExpression(token.Line, ParseItems("]", Parse), false);
            case TokenKind.Operator when token.Text == "{":
                return new MapExpression(token.Line, ParseItems("}", ParseEntry));
            default:
                throw new ChatTemplateException($"unexpected {token.Describe()}", token.Line, token.Text);
        }
    }

    private Expression ParseName(Token token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new ConstantExpression(token.Line, BooleanValue.Of(true));
            case "false" or "False":
                return new ConstantExpression(token.Line, BooleanValue.Of(false));
            case "none" or "None":
                return new ConstantExpression(token.Line, TemplateValue.Null);
        }

        Mentioned |= token.Text switch
        {
            "caller" => MacroExtras.Caller,
            "varargs" => MacroExtras.Positional,
            "kwargs" => MacroExtras.Named,
            _ => MacroExtras.None,
        };
        return new NameExpression(token.Line, token.Text);
    }

    private IntegerValue ParseInteger(Token token)
    {
        int radix = token.Text.Length < 2 ? 10 : (token.Text[1] | 0x20) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 10 };
        if (!Numbers.TryParseInteger(token.Text, radix, out BigInteger value))
            throw stream.Fail($"'{token.Text}' is not a number", token.Text);
        return new IntegerValue(value, 0);
    }

    private (Expression Key, Expression Value) ParseEntry()
    {
        Expression key = Parse();
        stream.ExpectOperator(":");
        return (key, Parse());
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        List<T> items = [];
        while (!stream.SkipOperator(close))
        {
            if (items.Count > 0)
            {
                stream.ExpectOperator(",");
                if (stream.SkipOperator(close))
                    break;
            }

            items.Add(parse());
        }

        return items;
    }

    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            Token token = stream.Current;
            if (stream.SkipOperator("."))
                value = ParseDot(value, token.Line);
            else if (stream.SkipOperator("["))
                value = ParseSubscript(value, token.Line);
            else if (token.IsOperator("("))
                value = new CallExpression(token.Line, value, ParseArguments());
            else
                return value;
        }
    }

    private Expression ParseDot(Expression target, int line)
    {
        if (stream.Current.Kind == TokenKind.Integer)
            return new IndexExpression(line, target, new ConstantExpression(line, ParseInteger(stream.Next())));
        return new AttributeExpression(line, target, new TextValue(stream.Expect(TokenKind.Name, "an attribute's name").Text, 0));
    }

    private Expression ParseSubscript(Expression target, int line)
    {
        Expression? start = stream.Current.IsOperator(":") ? null : Parse();
        if (stream.SkipOperator(":"))
        {
            Expression? stop = ParseSlicePart();
            Expression? step = stream.SkipOperator(":") ? ParseSlicePart() : null;
            stream.ExpectOperator("]");
            return new SliceExpression(line, target, start, stop, step);
        }

        if (!stream.Current.IsOperator(","))
        {
            stream.ExpectOperator("]");
            return new IndexExpression(line, target, start!);
        }

        stream.Next();
        List<Expression> parts = [start!, .. ParseItems("]", Parse)];
        return new IndexExpression(line, target, new SequenceExpression(line, parts, true));
    }

    private Expression? ParseSlicePart() => stream.Current.IsOperator(":") || stream.Current.IsOperator("]") ? null : Parse();

    private Expression ParseFiltersAndTests(Expression value)
    {
        while (true)
        {
            Token token = stream.Current;
            if (token.IsOperator("|"))
                value = ParseFilters(value, false)!;
            else if (token.IsName("is"))
                value = ParseTest(value);
            else if (token.IsOperator("("))
                value = new CallExpression(token.Line, value, ParseArguments());
            else
                return value;
        }
    }

    private Expression ParseTest(Expression target)
    {
        int line = stream.Next().Line;
        bool negated = stream.SkipName("not");
        string name = ParseDottedName("a test's name");
        Token token = stream.Current;
        ArgumentList arguments = ArgumentList.None;
        if (token.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (token.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float || token.IsOperator("[") || token.IsOperator("{")
            || (token.Kind == TokenKind.Name && token.Text is not ("else" or "or" or "and")))
        {
            if (token.IsName("is"))
                throw stream.Fail("tests cannot be chained with 'is'", "is");
            Enter();
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
            Leave();
        }

        TestExpression test = new(line, target, name, arguments);
        return negated ? new NotExpression(line, test) : test;
    }

    private string ParseDottedName(string what)
    {
        string name = stream.Expect(TokenKind.Name, what).Text;
        while (stream.SkipOperator("."))
            name += "." + stream.Expect(TokenKind.Name, what).Text;
        return name;
    }

    private ArgumentList ParseArguments()
    {
        stream.ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? spread = null, namedSpread = null;
        bool first = true;
        while (!stream.SkipOperator(")"))
        {
            if (!first)
            {
                stream.ExpectOperator(",");
                if (stream.SkipOperator(")"))
                    break;
            }

            first = false;
            if (spread is null && namedSpread is null && stream.SkipOperator("*"))
                spread = Parse();
            else if (namedSpread is null && stream.SkipOperator("**"))
                namedSpread = Parse();
            else if (namedSpread is null && stream.Current.Kind == TokenKind.Name && stream.Following.IsOperator("="))
                named.Add((ParseKeyword(), Parse()));
            else if (spread is null && namedSpread is null && named.Count == 0)
                positional.Add(Parse());
            else
                throw stream.Fail("an argument without a name after one with a name", stream.Current.Text);
        }

        return new ArgumentList(positional, named, spread, namedSpread);
    }

    private string ParseKeyword()
    {
        string name = stream.Next().Text;
        stream.Next();
        return name;
    }
}
