namespace KvChat.Templates;

/// <summary>The variable <c>loop</c> inside a loop; in a recursive loop it can be called with the next level's elements.</summary>
internal sealed class LoopValue(IReadOnlyList<TemplateValue> items, int depth0, Func<TemplateValue, TemplateValue>? recurse) : CallableValue("loop")
{
    private TemplateValue[]? lastChanged;

    internal override string TypeName => "LoopContext";

    internal int Index { get; set; }

    internal override TemplateValue Call(Interpreter machine, Arguments arguments)
    {
        if (recurse is null)
            throw arguments.Fault("can be called only in a loop marked 'recursive'");
        return recurse(arguments.Single("iterable"));
    }

    internal TemplateValue? Attribute(string name) => name switch
    {
        "index" => FromInt64(Index + 1),
        "index0" => FromInt64(Index),
        "revindex" => FromInt64(items.Count - Index),
        "revindex0" => FromInt64(items.Count - Index - 1),
        "first" => BooleanValue.Of(Index == 0),
        "last" => BooleanValue.Of(Index == items.Count - 1),
        "length" => FromInt64(items.Count),
        "depth" => FromInt64(depth0 + 1),
        "depth0" => FromInt64(depth0),
        "previtem" => Index == 0 ? new UndefinedValue("there is no previous item") : items[Index - 1],
        "nextitem" => Index == items.Count - 1 ? new UndefinedValue("there is no next item") : items[Index + 1],
        "cycle" => new FunctionValue("loop.cycle", Cycle),
        "changed" => new FunctionValue("loop.changed", Changed),
        _ => null,
    };

    private TemplateValue Cycle(Interpreter machine, Arguments arguments) =>
        arguments.Positional.Count == 0 ? throw arguments.Fault("needs values to choose from") : arguments.Positional[Index % arguments.Positional.Count];

    private BooleanValue Changed(Interpreter machine, Arguments arguments)
    {
        TemplateValue[] values = [.. arguments.Positional];
        bool same = lastChanged is not null && lastChanged.SequenceEqual(values, PythonEquality.Instance);
        lastChanged = values;
        return BooleanValue.Of(!same);
    }
}
