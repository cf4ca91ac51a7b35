namespace KvChat.Templates;

/// <summary>Arithmetic and comparison on any values.</summary>
internal static class Operators
{
    internal static TemplateValue Arithmetic(Interpreter machine, string op, TemplateValue left, TemplateValue right)
    {
        if (Numbers.Arithmetic(op, left, right) is { } number)
            return number;
        switch (op, left, right)
        {
            case ("+", TextValue a, TextValue b):
                return Add(a, b, machine.Budget);
            case ("+", ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                machine.Budget.Step(a.Items.Length + b.Items.Length);
                return new ListValue([.. a.Items, .. b.Items], a.IsTuple, a.Origin != 0 ? a.Origin : b.Origin);
            case ("%", TextValue format, not UndefinedValue):
                return PrintfFormat.Format(format, right, machine.Budget);
            case ("*", TextValue or ListValue, BooleanValue or IntegerValue):
                return Repeat(left, Numbers.ToIndex(right, op), machine.Budget);
            case ("*", BooleanValue or IntegerValue, TextValue or ListValue):
                return Repeat(right, Numbers.ToIndex(left, op), machine.Budget);
            default:
                throw (left as UndefinedValue ?? right as UndefinedValue)?.Fault()
                    ?? new TemplateFault(op, $"'{left.TypeName}' {op} '{right.TypeName}' has no meaning");
        }
    }

    internal static TemplateValue Sign(TemplateValue operand, bool negate)
    {
        if (operand is FloatValue f)
            return negate ? new FloatValue(-f.Value, f.Origin) : f;
        if (Numbers.TryInteger(operand, out System.Numerics.BigInteger number))
            return new IntegerValue(negate ? -number : number, operand.Origin);
        throw (operand as UndefinedValue)?.Fault() ?? new TemplateFault(negate ? "-" : "+", $"a '{operand.TypeName}' has no sign");
    }

    internal static bool Compare(string op, TemplateValue left, TemplateValue right, Budget budget)
    {
        switch (op)
        {
            case "==":
                return PythonEquality.Equal(left, right);
            case "!=":
                return !PythonEquality.Equal(left, right);
            case "in":
                return Sequences.Contains(right, left, budget);
            case "not in":
                return !Sequences.Contains(right, left, budget);
        }

        int order = PythonEquality.Compare(left, right, op);
        bool isNan = left is FloatValue { Value: double.NaN } || right is FloatValue { Value: double.NaN };
        return !isNan && op switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    /// <summary>Joins two texts; beside one marked as HTML the other is escaped.</summary>
    internal static TextValue Add(TextValue left, TextValue right, Budget budget)
    {
        bool markup = left.IsMarkup || right.IsMarkup;
        TextBuilder sum = new(budget, "+");
        sum.Append(markup ? Html.Escape(left, budget) : left);
        sum.Append(markup ? Html.Escape(right, budget) : right);
        return sum.ToText(markup);
    }

    private static TemplateValue Repeat(TemplateValue value, int times, Budget budget)
    {
        if (value is TextValue text)
            return new TextBuilder(budget, "*").Repeat(text, times).ToText(text.IsMarkup);
        ListValue list = (ListValue)value;
        int count = budget.Elements((long)list.Items.Length * Math.Max(0, times), "*");
        TemplateValue[] items = new TemplateValue[count];
        for (int i = 0; i < count; i++)
            items[i] = list.Items[i % list.Items.Length];
        return new ListValue(items, list.IsTuple, list.Origin);
    }
}
