using System.Numerics;

namespace KvChat.Templates;

/// <summary>The functions that every template can call.</summary>
internal static class Functions
{
    internal static readonly Dictionary<string, TemplateValue?> Table = new Dictionary<string, Func<Interpreter, Arguments, TemplateValue>>(StringComparer.Ordinal)
    {
        ["range"] = Range,
        ["dict"] = Dict,
        ["namespace"] = Namespace,
        ["cycler"] = Unsupported,
        ["joiner"] = Joiner,
        ["lipsum"] = Unsupported,
        ["raise_exception"] = (machine, arguments) => throw new TemplateFault("raise_exception", Printer.Str(arguments.Single("message"), machine.Budget).Value, raised: true),
        ["strftime_now"] = (machine, arguments) => TimeFormat.Format(arguments.Text(arguments.Single("format"), "format"), machine.Clock.GetLocalNow(), machine.Budget),
    }.ToDictionary(f => f.Key, f => (TemplateValue?)new FunctionValue(f.Key, f.Value), StringComparer.Ordinal);

    private static TemplateValue Unsupported(Interpreter machine, Arguments arguments) => throw arguments.Fault("is not supported");

    private static RangeValue Range(Interpreter machine, Arguments arguments)
    {
        if (arguments.Named.Count > 0 || arguments.Positional.Count is 0 or > 3)
            throw arguments.Fault("takes one to three integers");
        BigInteger[] numbers = [.. arguments.Positional.Select(p => Numbers.TryInteger(p, out BigInteger n)
            ? n
            : throw (p as UndefinedValue)?.Fault() ?? arguments.Fault($"needs integers, not '{p.TypeName}'"))];
        BigInteger start = numbers.Length > 1 ? numbers[0] : 0, stop = numbers.Length > 1 ? numbers[1] : numbers[0], step = numbers.Length > 2 ? numbers[2] : 1;
        if (step.IsZero)
            throw arguments.Fault("needs a step that is not 0");
        BigInteger count = BigInteger.Max(0, step.Sign > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
        if (count > machine.Budget.Limits.MaxRange)
            throw arguments.Fault($"of {count} numbers; {machine.Budget.Limits.MaxRange} are allowed");
        return new RangeValue(start, stop, step, (int)count, arguments.Positional.FirstOrDefault(p => p.Origin != 0)?.Origin ?? 0);
    }

    private static MapValue Dict(Interpreter machine, Arguments arguments)
    {
        if (arguments.Positional.Count > 1)
            throw arguments.Fault("takes one mapping or list of pairs");
        IEnumerable<KeyValuePair<TemplateValue, TemplateValue>> entries = arguments.Positional.Count == 0 ? [] : arguments.Positional[0] is MapValue map
            ? map.Entries
            : Sequences.Iterate(arguments.Positional[0], machine.Budget).Select(pair => Pair(pair, machine, arguments));
        return MapValue.From(entries.Concat(arguments.Named.Select(a => new KeyValuePair<TemplateValue, TemplateValue>(new TextValue(a.Key, 0), a.Value))), 0);
    }

    private static KeyValuePair<TemplateValue, TemplateValue> Pair(TemplateValue pair, Interpreter machine, Arguments arguments)
    {
        TemplateValue[] parts = [.. Sequences.Iterate(pair, machine.Budget).Take(3)];
        return parts.Length == 2 ? new(parts[0], parts[1]) : throw arguments.Fault("needs pairs of key and value");
    }

    private static NamespaceValue Namespace(Interpreter machine, Arguments arguments)
    {
        Dictionary<string, TemplateValue> attributes = new(StringComparer.Ordinal);
        foreach ((TemplateValue key, TemplateValue value) in Dict(machine, arguments).Entries)
            attributes[arguments.Text(key, "name").Value] = value;
        return new NamespaceValue(attributes);
    }

    /// <summary>A function that gives nothing when first called, and the separator afterwards.</summary>
    private static FunctionValue Joiner(Interpreter machine, Arguments arguments)
    {
        TemplateValue separator = arguments.Bind("sep")[0] ?? new TextValue(", ", 0);
        bool called = false;
        return new FunctionValue("joiner", (_, _) =>
        {
            TemplateValue given = called ? separator : TextValue.Empty;
            called = true;
            return given;
        });
    }
}
