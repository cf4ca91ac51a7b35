namespace KvChat.Templates;

/// <content>Expressions.</content>
internal sealed partial class Interpreter
{
    internal TemplateValue Evaluate(Expression expression, Scope scope)
    {
        Budget.Enter();
        Budget.Step();
        TemplateValue value = expression switch
        {
            ConstantExpression constant => constant.Value,
            NameExpression name => Find(name.Name, scope),
            AttributeExpression attribute => Attribute(attribute, scope),
            IndexExpression index => Index(index, scope),
            CallExpression call => Call(call, scope, EvaluateArguments(call, scope)),
            FilterExpression filter => ApplyFilters(filter, null, scope),
            TestExpression test => BooleanValue.Of(Test(test, scope)),
            NotExpression not => BooleanValue.Of(!Evaluate(not.Operand, scope).IsTrue),
            LogicalExpression logical => Logical(logical, scope),
            CompareExpression compare => Compare(compare, scope),
            ConditionalExpression conditional => Conditional(conditional, scope),
            _ => EvaluateCompound(expression, scope),
        };
        Budget.Leave();
        return value;
    }

    /// <summary>Runs a filter by name, also for filters that take another filter's name.</summary>
    internal TemplateValue Filter(string name, TemplateValue value, Arguments arguments)
    {
        Budget.Step();
        if (!Filters.Table.TryGetValue(name, out Filter? filter))
            throw new TemplateFault(name, $"the filter '{name}' is not supported");
        return filter(this, value, arguments);
    }

    /// <summary>Runs a test by name, also for filters that take a test's name.</summary>
    internal bool Test(string name, TemplateValue value, Arguments arguments)
    {
        Budget.Step();
        if (!TemplateTests.Table.TryGetValue(name, out Test? test))
            throw new TemplateFault(name, $"the test '{name}' is not supported");
        return test(this, value, arguments);
    }

    private TemplateValue Find(string name, Scope scope)
    {
        TemplateValue? found = scope.Find(name);
        if (found is not null || input.TryGet(name, out found) || Functions.Table.TryGetValue(name, out found))
            return found!;
        return new UndefinedValue($"'{name}' is undefined");
    }

    private TemplateValue Attribute(AttributeExpression attribute, Scope scope)
    {
        TemplateValue target = Evaluate(attribute.Target, scope);
        Line = attribute.Line;
        return Access.Attribute(target, attribute.Name);
    }

    private TemplateValue Index(IndexExpression index, Scope scope)
    {
        TemplateValue target = Evaluate(index.Target, scope);
        TemplateValue place = Evaluate(index.Index, scope);
        Line = index.Line;
        return Access.Item(target, place);
    }

    private TemplateValue EvaluateCompound(Expression expression, Scope scope)
    {
        switch (expression)
        {
            case ArithmeticExpression arithmetic:
                TemplateValue left = Evaluate(arithmetic.Left, scope);
                TemplateValue right = Evaluate(arithmetic.Right, scope);
                Line = arithmetic.Line;
                return Operators.Arithmetic(this, arithmetic.Operator, left, right);
            case ConcatExpression concat:
                TextBuilder text = new(Budget, "~");
                foreach (Expression part in concat.Parts)
                    text.Append(Printer.Str(Evaluate(part, scope), Budget));
                return text.ToText();
            case SequenceExpression sequence:
                return new ListValue([.. sequence.Items.Select(i => Evaluate(i, scope))], sequence.IsTuple);
            case MapExpression map:
                return MapValue.From(map.Entries.Select(e => new KeyValuePair<TemplateValue, TemplateValue>(Evaluate(e.Key, scope), Evaluate(e.Value, scope))), 0);
            case SliceExpression slice:
                TemplateValue target = Evaluate(slice.Target, scope);
                TemplateValue? start = slice.Start is null ? null : Evaluate(slice.Start, scope);
                TemplateValue? stop = slice.Stop is null ? null : Evaluate(slice.Stop, scope);
                TemplateValue? step = slice.Step is null ? null : Evaluate(slice.Step, scope);
                Line = slice.Line;
                return Sequences.Slice(target, start, stop, step, Budget);
            case SignExpression sign:
                TemplateValue operand = Evaluate(sign.Operand, scope);
                Line = sign.Line;
                return Operators.Sign(operand, sign.Negate);
            default:
                throw new TemplateFault(expression.GetType().Name, "an unknown kind of expression");
        }
    }

    private TemplateValue Logical(LogicalExpression logical, Scope scope)
    {
        TemplateValue left = Evaluate(logical.Left, scope);
        return left.IsTrue == logical.IsAnd ? Evaluate(logical.Right, scope) : left;
    }

    private TemplateValue Conditional(ConditionalExpression conditional, Scope scope)
    {
        if (Evaluate(conditional.Test, scope).IsTrue)
            return Evaluate(conditional.Then, scope);
        return conditional.Otherwise is null
            ? new UndefinedValue("the inline 'if' is false and has no 'else'")
            : Evaluate(conditional.Otherwise, scope);
    }

    private BooleanValue Compare(CompareExpression compare, Scope scope)
    {
        TemplateValue left = Evaluate(compare.First, scope);
        foreach ((string op, Expression operand) in compare.Rest)
        {
            TemplateValue right = Evaluate(operand, scope);
            Line = compare.Line;
            if (!Operators.Compare(op, left, right, Budget))
                return BooleanValue.Of(false);
            left = right;
        }

        return BooleanValue.Of(true);
    }

    private bool Test(TestExpression test, Scope scope)
    {
        TemplateValue value = Evaluate(test.Target, scope);
        Arguments arguments = EvaluateArguments(test.Name, test.Arguments, scope);
        Line = test.Line;
        return Test(test.Name, value, arguments);
    }

    /// <summary>Runs a chain of filters; at its head stands an expression, or else the text of a block.</summary>
    private TemplateValue ApplyFilters(FilterExpression filter, TemplateValue? block, Scope scope)
    {
        TemplateValue value = filter.Target switch
        {
            null => block!,
            FilterExpression inner => ApplyNested(inner, block, scope),
            _ => Evaluate(filter.Target, scope),
        };
        Arguments arguments = EvaluateArguments(filter.Name, filter.Arguments, scope);
        Line = filter.Line;
        return Filter(filter.Name, value, arguments);
    }

    private TemplateValue ApplyNested(FilterExpression filter, TemplateValue? block, Scope scope)
    {
        Budget.Enter();
        TemplateValue value = ApplyFilters(filter, block, scope);
        Budget.Leave();
        return value;
    }

    private TemplateValue Call(CallExpression call, Scope scope, Arguments arguments)
    {
        TemplateValue target = Evaluate(call.Target, scope);
        Line = call.Line;
        return target switch
        {
            CallableValue callable => callable.Call(this, arguments),
            UndefinedValue undefined => throw undefined.Fault(),
            _ => throw new TemplateFault(arguments.Construct, $"'{target.TypeName}' cannot be called"),
        };
    }

    private Arguments EvaluateArguments(CallExpression call, Scope scope)
    {
        string construct = call.Target switch
        {
            NameExpression name => name.Name,
            AttributeExpression attribute => attribute.Name.Value,
            _ => "call",
        };
        return EvaluateArguments(construct, call.Arguments, scope);
    }

    private Arguments EvaluateArguments(string construct, ArgumentList list, Scope scope)
    {
        if (ReferenceEquals(list, ArgumentList.None))
            return Arguments.None(construct);
        List<TemplateValue> positional = [.. list.Positional.Select(a => Evaluate(a, scope))];
        List<KeyValuePair<string, TemplateValue>> named = [.. list.Named.Select(a => new KeyValuePair<string, TemplateValue>(a.Name, Evaluate(a.Value, scope)))];
        if (list.Spread is not null)
            positional.AddRange(Sequences.Iterate(Evaluate(list.Spread, scope), Budget));
        if (list.NamedSpread is not null)
        {
            if (Evaluate(list.NamedSpread, scope) is not MapValue map)
                throw new TemplateFault("**", "'**' needs a mapping");
            foreach ((TemplateValue key, TemplateValue value) in map.Entries)
                named.Add(new(key is TextValue name ? name.Value : throw new TemplateFault("**", "names of arguments must be strings"), value));
        }

        return new Arguments(construct, positional, named);
    }
}
