namespace KvChat.Templates;

/// <summary>Something that a template can call.</summary>
internal abstract class CallableValue(string name) : TemplateValue(0)
{
    internal string Name { get; } = name;

    internal override string TypeName => $"function {Name}";

    internal abstract TemplateValue Call(Interpreter machine, Arguments arguments);
}

/// <summary>A built-in function.</summary>
internal sealed class FunctionValue(string name, Func<Interpreter, Arguments, TemplateValue> body) : CallableValue(name)
{
    internal override TemplateValue Call(Interpreter machine, Arguments arguments) => body(machine, arguments);
}

/// <summary>A method together with the value whose method it is.</summary>
internal sealed class MethodValue(string name, TemplateValue self, Method body) : CallableValue(name)
{
    internal override TemplateValue Call(Interpreter machine, Arguments arguments) => body(machine, self, arguments);
}

/// <summary>A macro, or the body of a <c>call</c> block, with the names that it saw where it was written.</summary>
internal sealed class MacroValue(MacroDefinition macro, Scope scope) : CallableValue(macro.Name)
{
    internal override string TypeName => $"Macro '{Name}'";

    internal override TemplateValue Call(Interpreter machine, Arguments arguments)
    {
        Scope inner = new(scope);
        int bound = Math.Min(arguments.Positional.Count, macro.Parameters.Count);
        for (int i = 0; i < bound; i++)
            inner.Set(macro.Parameters[i].Name, arguments.Positional[i]);
        BindExtraPositional(inner, arguments);
        BindNamed(inner, arguments);
        foreach ((string name, Expression? otherwise) in macro.Parameters)
        {
            if (!inner.Has(name))
                inner.Set(name, otherwise is null ? new UndefinedValue($"parameter '{name}' of '{Name}' was not given") : machine.Evaluate(otherwise, inner));
        }

        return machine.Capture(macro.Body, inner);
    }

    private void BindExtraPositional(Scope inner, Arguments arguments)
    {
        TemplateValue[] extra = [.. arguments.Positional.Skip(macro.Parameters.Count)];
        if (macro.Extras.HasFlag(MacroExtras.Positional))
            inner.Set("varargs", new ListValue(extra, true));
        else if (extra.Length > 0)
            throw arguments.Fault($"takes at most {macro.Parameters.Count} arguments, not {arguments.Positional.Count}");
    }

    private void BindNamed(Scope inner, Arguments arguments)
    {
        List<KeyValuePair<TemplateValue, TemplateValue>> extra = [];
        bool hasCallerParameter = macro.Parameters.Any(p => p.Name == "caller");
        if (macro.Extras.HasFlag(MacroExtras.Caller) && !hasCallerParameter)
            inner.Set("caller", new UndefinedValue("no caller defined"));
        foreach ((string name, TemplateValue value) in arguments.Named)
        {
            if (macro.Parameters.Any(p => p.Name == name))
            {
                if (inner.Has(name))
                    throw arguments.Fault($"got '{name}' twice");
                inner.Set(name, value);
            }
            else if (name == "caller" && macro.Extras.HasFlag(MacroExtras.Caller))
            {
                inner.Set(name, value);
            }
            else if (macro.Extras.HasFlag(MacroExtras.Named))
            {
                extra.Add(new(new TextValue(name, 0), value));
            }
            else
            {
                throw arguments.Fault($"has no argument '{name}'");
            }
        }

        if (macro.Extras.HasFlag(MacroExtras.Named))
            inner.Set("kwargs", MapValue.From(extra, 0));
    }
}
