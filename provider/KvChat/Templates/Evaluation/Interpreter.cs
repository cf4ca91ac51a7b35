using KvChat.Runtime.Text;

namespace KvChat.Templates;

/// <summary>One rendering: runs statements and evaluates expressions.</summary>
internal sealed partial class Interpreter
{
    private const int TurnSteps = 4;

    private readonly Scope root;
    private readonly TemplateInput input;

    internal Interpreter(TemplateInput input, TemplateLimits limits)
    {
        this.input = input;
        Budget = new Budget(limits);
        root = new Scope(null);
    }

    /// <summary>How a body ended.</summary>
    private enum Flow
    {
        Normal,
        Break,
        Continue,
    }

    internal Budget Budget { get; }

    internal TimeProvider Clock => input.Clock;

    /// <summary>Line of the node that is at work, for errors.</summary>
    internal int Line { get; private set; } = 1;

    internal RenderedText Render(IReadOnlyList<Statement> body)
    {
        TextBuilder output = new(Budget, Budget.Limits.MaxOutputLength, "output");
        Run(body, root, output);
        return output.ToRendered();
    }

    /// <summary>What a body writes, as a text.</summary>
    internal TextValue Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        TextBuilder output = new(Budget);
        Run(body, scope, output);
        return output.ToText();
    }

    private Flow Run(IReadOnlyList<Statement> body, Scope scope, TextBuilder output)
    {
        Budget.Enter();
        foreach (Statement statement in body)
        {
            Budget.Step();
            Line = statement.Line;
            Flow flow = Run(statement, scope, output);
            if (flow != Flow.Normal)
            {
                Budget.Leave();
                return flow;
            }
        }

        Budget.Leave();
        return Flow.Normal;
    }

    private Flow Run(Statement statement, Scope scope, TextBuilder output)
    {
        switch (statement)
        {
            case TextStatement text:
                output.Append(text.Text);
                return Flow.Normal;
            case OutputStatement print:
                output.Append(Printer.Str(Evaluate(print.Value, scope), Budget));
                return Flow.Normal;
            case IfStatement branches:
                foreach ((Expression test, IReadOnlyList<Statement> body) in branches.Branches)
                {
                    if (Evaluate(test, scope).IsTrue)
                        return Run(body, scope, output);
                }

                return Run(branches.Otherwise, scope, output);
            case ForStatement loop:
                RunLoop(loop, Evaluate(loop.Source, scope), scope, output, 0);
                return Flow.Normal;
            case SetStatement set:
                Assign(set.Target, Evaluate(set.Value, scope), scope);
                return Flow.Normal;
            case LoopControlStatement control:
                return control.IsBreak ? Flow.Break : Flow.Continue;
            case MacroStatement macro:
                scope.Set(macro.Macro.Name, new MacroValue(macro.Macro, scope));
                return Flow.Normal;
            default:
                return RunBlock(statement, scope, output);
        }
    }

    /// <summary>Blocks with a text or names of their own. A loop that is left from within a captured text drops that text.</summary>
    private Flow RunBlock(Statement statement, Scope scope, TextBuilder output)
    {
        switch (statement)
        {
            case SetBlockStatement set:
                TextBuilder captured = new(Budget);
                Flow flow = Run(set.Body, new Scope(scope), captured);
                if (flow == Flow.Normal)
                    Assign(set.Target, set.Filter is null ? captured.ToText() : ApplyFilters(set.Filter, captured.ToText(), scope), scope);
                return flow;
            case CallBlockStatement block:
                Arguments arguments = EvaluateArguments(block.Call, scope);
                MacroValue caller = new(block.Caller, scope);
                arguments = new Arguments(arguments.Construct, arguments.Positional, [.. arguments.Named, new("caller", caller)]);
                output.Append(Printer.Str(Call(block.Call, scope, arguments), Budget));
                return Flow.Normal;
            case FilterBlockStatement filter:
                TextBuilder filtered = new(Budget);
                Flow end = Run(filter.Body, new Scope(scope), filtered);
                if (end == Flow.Normal)
                    output.Append(Printer.Str(ApplyFilters(filter.Filter, filtered.ToText(), scope), Budget));
                return end;
            case ScopeStatement block:
                Scope inner = new(block.FromRoot ? root : scope);
                foreach ((Expression target, Expression value) in block.Values)
                    Assign(target, Evaluate(value, scope), inner);
                return Run(block.Body, inner, output);
            default:
                throw new TemplateFault(statement.GetType().Name, "an unknown kind of statement");
        }
    }

    private void RunLoop(ForStatement loop, TemplateValue source, Scope scope, TextBuilder output, int depth)
    {
        List<TemplateValue> items = Collect(loop, source, scope);
        bool completed = false;
        LoopValue state = new(items, depth, loop.IsRecursive ? Recurse : null);
        for (int i = 0; i < items.Count; i++)
        {
            // A turn costs more than a node: a scope, and what is set in it.
            Budget.Step(TurnSteps);
            Scope inner = new(scope);
            state.Index = i;
            inner.Set("loop", state);
            Assign(loop.Target, items[i], inner);
            Flow flow = Run(loop.Body, inner, output);
            completed |= flow == Flow.Normal;
            if (flow == Flow.Break)
                break;
        }

        // As Jinja has it: also after turns none of which came to its end.
        if (!completed)
            Run(loop.Otherwise, new Scope(scope), output);

        TemplateValue Recurse(TemplateValue next)
        {
            Budget.Enter();
            TextBuilder nested = new(Budget);
            RunLoop(loop, next, scope, nested, depth + 1);
            Budget.Leave();
            return nested.ToText();
        }
    }

    /// <summary>The elements that a loop goes over, those that its condition leaves out not among them.</summary>
    private List<TemplateValue> Collect(ForStatement loop, TemplateValue source, Scope scope)
    {
        List<TemplateValue> items = [];
        foreach (TemplateValue item in Sequences.Iterate(source, Budget))
        {
            if (loop.Filter is not null)
            {
                Scope trial = new(scope);
                Assign(loop.Target, item, trial);
                if (!Evaluate(loop.Filter, trial).IsTrue)
                    continue;
            }

            items.Add(item);
        }

        return items;
    }

    private void Assign(Expression target, TemplateValue value, Scope scope)
    {
        Line = target.Line;
        switch (target)
        {
            case NameExpression name:
                scope.Set(name.Name, value);
                break;
            case AttributeExpression { Target: NameExpression owner } attribute:
                if (scope.Find(owner.Name) is not NamespaceValue space)
                    throw new TemplateFault("set", $"'{owner.Name}' is no namespace, so '{attribute.Name.Value}' of it cannot be set");
                space.Attributes[attribute.Name.Value] = value;
                break;
            case SequenceExpression names:
                TemplateValue[] parts = [.. Sequences.Iterate(value, Budget).Take(names.Items.Count + 1)];
                if (parts.Length != names.Items.Count)
                    throw new TemplateFault("set", $"{names.Items.Count} names for {(parts.Length > names.Items.Count ? "more" : "only " + parts.Length)} values");
                for (int i = 0; i < parts.Length; i++)
                    Assign(names.Items[i], parts[i], scope);
                break;
            default:
                throw new TemplateFault("set", "a target that cannot be assigned to");
        }
    }
}
