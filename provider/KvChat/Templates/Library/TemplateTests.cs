using System.Numerics;

namespace KvChat.Templates;

/// <summary>A test: what stands after <c>is</c>.</summary>
internal delegate bool Test(Interpreter machine, TemplateValue value, Arguments arguments);

/// <summary>The tests by name.</summary>
internal static class TemplateTests
{
    internal static readonly Dictionary<string, Test> Table = Build();

    private static Dictionary<string, Test> Build()
    {
        Dictionary<string, Test> table = new(StringComparer.Ordinal)
        {
            ["defined"] = Plain(v => v is not UndefinedValue),
            ["undefined"] = Plain(v => v is UndefinedValue),
            ["none"] = Plain(v => v is NullValue),
            ["boolean"] = Plain(v => v is BooleanValue),
            ["true"] = Plain(v => v is BooleanValue { Value: true }),
            ["false"] = Plain(v => v is BooleanValue { Value: false }),
            ["integer"] = Plain(v => v is IntegerValue),
            ["float"] = Plain(v => v is FloatValue),
            ["number"] = Plain(Numbers.IsNumber),
            ["string"] = Plain(v => v is TextValue),
            ["mapping"] = Plain(v => v is MapValue),
            ["sequence"] = Plain(IsSequence),
            ["iterable"] = Plain(Sequences.IsIterable),
            ["callable"] = Plain(v => v is CallableValue or UndefinedValue),
            ["escaped"] = Plain(v => v is TextValue { IsMarkup: true }),
            ["lower"] = (m, v, a) => HasCase(m, v, a, upper: false),
            ["upper"] = (m, v, a) => HasCase(m, v, a, upper: true),
            ["odd"] = (m, v, a) => Modulo(m, v, a, 2).IsOne,
            ["even"] = (m, v, a) => Modulo(m, v, a, 2).IsZero,
            ["divisibleby"] = DivisibleBy,
            ["sameas"] = (_, v, a) => IsSame(v, a.Single("other")),
            ["in"] = (m, v, a) => Operators.Compare("in", v, a.Single("seq"), m.Budget),
            ["filter"] = (_, v, a) => v is TextValue name && Filters.Table.ContainsKey(name.Value),
            ["test"] = (_, v, a) => v is TextValue name && Table!.ContainsKey(name.Value),
        };
        string[][] comparisons = [["==", "eq", "equalto"], ["!=", "ne"], [">", "gt", "greaterthan"], [">=", "ge"], ["<", "lt", "lessthan"], ["<=", "le"]];
        foreach (string[] names in comparisons)
        {
            foreach (string name in names)
                table[name] = (m, v, a) => Operators.Compare(names[0], v, a.Single("other"), m.Budget);
        }

        return table;
    }

    private static Test Plain(Func<TemplateValue, bool> test) => (_, value, arguments) =>
    {
        arguments.Empty();
        return test(value);
    };

    /// <summary>Has a length and elements: also strings and mappings, as in Jinja.</summary>
    private static bool IsSequence(TemplateValue value) => value is TextValue or ListValue or MapValue or RangeValue or UndefinedValue;

    private static bool HasCase(Interpreter machine, TemplateValue value, Arguments arguments, bool upper)
    {
        arguments.Empty();
        TextValue text = Printer.Str(value, machine.Budget);
        machine.Budget.Step(text.Length / 8);
        return StringMethods.IsCase(text, upper);
    }

    private static BigInteger Modulo(Interpreter machine, TemplateValue value, Arguments arguments, int divisor)
    {
        arguments.Empty();
        TemplateValue rest = Operators.Arithmetic(machine, "%", value, TemplateValue.FromInt64(divisor));
        return rest switch { IntegerValue i => i.Value, FloatValue f => f.Value == 0 ? 0 : f.Value == 1 ? 1 : 2, _ => throw arguments.Fault("needs a number") };
    }

    private static bool DivisibleBy(Interpreter machine, TemplateValue value, Arguments arguments) =>
        !Operators.Arithmetic(machine, "%", value, arguments.Single("num")).IsTrue;

    /// <summary>The same object; small values of Python that are always one object are compared by value.</summary>
    private static bool IsSame(TemplateValue value, TemplateValue other) => (value, other) switch
    {
        (NullValue, NullValue) => true,
        (BooleanValue a, BooleanValue b) => a.Value == b.Value,
        (IntegerValue a, IntegerValue b) => a.Value == b.Value,
        (TextValue a, TextValue b) => a.Value == b.Value,
        _ => ReferenceEquals(value, other),
    };
}
