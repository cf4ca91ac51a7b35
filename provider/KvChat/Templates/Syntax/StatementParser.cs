namespace KvChat.Templates;

/// <summary>Reads a whole template: text, output and blocks.</summary>
internal sealed class StatementParser
{
    private readonly TokenStream stream;
    private readonly ExpressionParser expressions;
    private int loops;

    private StatementParser(TokenStream stream)
    {
        this.stream = stream;
        expressions = new ExpressionParser(stream);
    }

    /// <exception cref="ChatTemplateException">The source is no template, or uses a tag that is not supported.</exception>
    internal static IReadOnlyList<Statement> Parse(string source)
    {
        StatementParser parser = new(new TokenStream(Lexer.Read(source)));
        try
        {
            return parser.ParseBody([]);
        }
        catch (TemplateFault fault)
        {
            throw parser.stream.Fail(fault.Message, fault.Construct);
        }
    }

    /// <summary>Reads statements up to a block that starts with one of the names, whose name is then current. No names: up to the end.</summary>
    private List<Statement> ParseBody(ReadOnlySpan<string> ends)
    {
        expressions.Enter();
        List<Statement> body = [];
        while (true)
        {
            Token token = stream.Next();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new TextStatement(token.Line, new TextValue(token.Text, 0)));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new OutputStatement(token.Line, expressions.ParseTuple()));
                    stream.Expect(TokenKind.VariableEnd, "'}}'");
                    break;
                case TokenKind.BlockBegin:
                    if (stream.Current.Kind == TokenKind.Name && ends.Contains(stream.Current.Text))
                    {
                        expressions.Leave();
                        return body;
                    }

                    ParseStatement(body);
                    stream.Expect(TokenKind.BlockEnd, "'%}'");
                    break;
                default:
                    if (ends.Length > 0)
                        throw Unclosed(ends);
                    expressions.Leave();
                    return body;
            }
        }
    }

    private ChatTemplateException Unclosed(ReadOnlySpan<string> ends)
    {
        foreach (string end in ends)
        {
            if (end.StartsWith("end", StringComparison.Ordinal))
                return stream.Fail($"'{{% {end} %}}' is missing at the end of the template", end);
        }

        return stream.Fail("a block is not closed at the end of the template", null);
    }

    /// <summary>Reads from the end of an opening tag to the name of its closing one, which is dropped.</summary>
    private List<Statement> ParseBlock(string end)
    {
        List<Statement> body = ParseBlock([end]);
        stream.Next();
        return body;
    }

    private List<Statement> ParseBlock(ReadOnlySpan<string> ends)
    {
        stream.SkipOperator(":");
        stream.Expect(TokenKind.BlockEnd, "'%}'");
        return ParseBody(ends);
    }

    private void ParseStatement(List<Statement> body)
    {
        Token tag = stream.Expect(TokenKind.Name, "a tag's name");
        if (tag.Text == "print")
        {
            ParsePrint(tag.Line, body);
            return;
        }

        body.Add(tag.Text switch
        {
            "if" => ParseIf(tag.Line),
            "for" => ParseFor(tag.Line),
            "set" => ParseSet(tag.Line),
            "macro" => ParseMacro(tag.Line),
            "call" => ParseCall(tag.Line),
            "filter" => new FilterBlockStatement(tag.Line, expressions.ParseFilters(null, true)!, ParseBlock("endfilter")),
            "with" => ParseWith(tag.Line),
            "generation" => new ScopeStatement(tag.Line, [], ParseLooplessBlock("endgeneration"), false),
            "block" => ParseNamedBlock(tag.Line),
            "break" or "continue" when loops > 0 => new LoopControlStatement(tag.Line, tag.Text == "break"),
            "break" or "continue" => throw new ChatTemplateException($"'{tag.Text}' outside a loop", tag.Line, tag.Text),
            string name when name.StartsWith("end", StringComparison.Ordinal) || name is "else" or "elif" =>
                throw new ChatTemplateException($"'{name}' closes nothing that is open here", tag.Line, name),
            string name => throw new ChatTemplateException($"the tag '{name}' is not supported", tag.Line, name),
        });
    }

    private void ParsePrint(int line, List<Statement> body)
    {
        while (stream.Current.Kind != TokenKind.BlockEnd)
        {
            body.Add(new OutputStatement(line, expressions.Parse()));
            if (stream.Current.Kind != TokenKind.BlockEnd)
                stream.ExpectOperator(",");
        }
    }

    private IfStatement ParseIf(int line)
    {
        List<(Expression, IReadOnlyList<Statement>)> branches = [];
        while (true)
        {
            Expression test = expressions.ParseTuple(conditional: false);
            branches.Add((test, ParseBlock(["elif", "else", "endif"])));
            string end = stream.Next().Text;
            if (end == "elif")
                continue;
            return new IfStatement(line, branches, end == "else" ? ParseBlock("endif") : []);
        }
    }

    private ForStatement ParseFor(int line)
    {
        Expression target = expressions.ParseTarget(allowAttribute: false, "in");
        if (target is NameExpression { Name: "loop" })
            throw new ChatTemplateException("a loop's variable cannot be named 'loop'", line, "for");
        stream.ExpectName("in");
        Expression source = expressions.ParseTuple(conditional: false, "recursive");
        Expression? filter = stream.SkipName("if") ? expressions.Parse() : null;
        bool recursive = stream.SkipName("recursive");
        loops++;
        List<Statement> body = ParseBlock(["endfor", "else"]);
        loops--;
        List<Statement> otherwise = stream.Next().Text == "else" ? ParseBlock("endfor") : [];
        return new ForStatement(line, target, source, filter, recursive, body, otherwise);
    }

    private Statement ParseSet(int line)
    {
        Expression target = expressions.ParseTarget(allowAttribute: true);
        if (stream.SkipOperator("="))
            return new SetStatement(line, target, expressions.ParseTuple());
        FilterExpression? filter = expressions.ParseFilters(null, false);
        return new SetBlockStatement(line, target, filter, ParseBlock("endset"));
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = stream.Expect(TokenKind.Name, "a macro's name").Text;
        List<(string, Expression?)> parameters = ParseParameters();
        return new MacroStatement(line, ParseMacroBody(name, parameters, "endmacro"));
    }

    private CallBlockStatement ParseCall(int line)
    {
        List<(string, Expression?)> parameters = stream.Current.IsOperator("(") ? ParseParameters() : [];
        Expression call = expressions.Parse();
        if (call is not CallExpression target)
            throw new ChatTemplateException("a 'call' block needs a call", line, "call");
        return new CallBlockStatement(line, target, ParseMacroBody("caller", parameters, "endcall"));
    }

    /// <summary>Reads a body of its own: loops around it are not its own, and the names that it mentions say which extra arguments it takes.</summary>
    private MacroDefinition ParseMacroBody(string name, List<(string, Expression?)> parameters, string end)
    {
        (MacroExtras outerMentioned, expressions.Mentioned) = (expressions.Mentioned, MacroExtras.None);
        List<Statement> body = ParseLooplessBlock(end);
        MacroDefinition macro = new(name, parameters, body, expressions.Mentioned);
        expressions.Mentioned |= outerMentioned;
        return macro;
    }

    /// <summary>Reads a body from which loops around it cannot be left.</summary>
    private List<Statement> ParseLooplessBlock(string end)
    {
        (int outerLoops, loops) = (loops, 0);
        List<Statement> body = ParseBlock(end);
        loops = outerLoops;
        return body;
    }

    private List<(string Name, Expression? Default)> ParseParameters()
    {
        stream.ExpectOperator("(");
        List<(string, Expression?)> parameters = [];
        while (!stream.SkipOperator(")"))
        {
            if (parameters.Count > 0)
                stream.ExpectOperator(",");
            string name = stream.Expect(TokenKind.Name, "a parameter's name").Text;
            if (parameters.Exists(p => p.Item1 == name))
                throw stream.Fail($"two parameters named '{name}'", name);
            Expression? value = stream.SkipOperator("=") ? expressions.Parse() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw stream.Fail($"parameter '{name}' needs a default, as the one before it has one", name);
            parameters.Add((name, value));
        }

        return parameters;
    }

    private ScopeStatement ParseWith(int line)
    {
        List<(Expression, Expression)> values = [];
        while (stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                stream.ExpectOperator(",");
            Expression target = expressions.ParseTarget(allowAttribute: false);
            stream.ExpectOperator("=");
            values.Add((target, expressions.Parse()));
        }

        return new ScopeStatement(line, values, ParseBlock("endwith"), false);
    }

    private ScopeStatement ParseNamedBlock(int line)
    {
        string name = stream.Expect(TokenKind.Name, "a block's name").Text;
        bool scoped = stream.SkipName("scoped");
        stream.SkipName("required");
        List<Statement> body = ParseLooplessBlock("endblock");
        stream.SkipName(name);
        return new ScopeStatement(line, [], body, !scoped);
    }
}
