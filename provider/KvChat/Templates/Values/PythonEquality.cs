using System.Numerics;

namespace KvChat.Templates;

/// <summary>Python's <c>==</c>, <c>&lt;</c> and hashing. Origins take no part.</summary>
internal sealed class PythonEquality : IEqualityComparer<TemplateValue>
{
    internal static readonly PythonEquality Instance = new();

    private const int MaxDepth = 400;

    public bool Equals(TemplateValue? x, TemplateValue? y) => Equal(x!, y!, 0);

    public int GetHashCode(TemplateValue obj) => Hash(obj, 0);

    /// <summary>Less than zero, zero or more, as the values sort.</summary>
    /// <exception cref="TemplateFault">Values that have no order.</exception>
    internal static int Compare(TemplateValue left, TemplateValue right, string construct, int depth = 0)
    {
        if (depth > MaxDepth)
            throw new TemplateFault(construct, $"compares values nested deeper than {MaxDepth} levels");
        Budget.Current?.Step();
        if (Numbers.TryCompare(left, right, out int order))
            return order;
        if (left is TextValue a && right is TextValue b)
            return CompareText(a.Value, b.Value);
        if (left is ListValue x && right is ListValue y && x.IsTuple == y.IsTuple)
        {
            for (int i = 0; i < Math.Min(x.Items.Length, y.Items.Length); i++)
            {
                if (!Equal(x.Items[i], y.Items[i], depth + 1))
                    return Compare(x.Items[i], y.Items[i], construct, depth + 1);
            }

            return x.Items.Length.CompareTo(y.Items.Length);
        }

        throw (left as UndefinedValue ?? right as UndefinedValue)?.Fault()
            ?? new TemplateFault(construct, $"'{left.TypeName}' and '{right.TypeName}' have no order");
    }

    internal static bool Equal(TemplateValue left, TemplateValue right, int depth = 0)
    {
        if (depth > MaxDepth)
            throw new TemplateFault("==", $"compares values nested deeper than {MaxDepth} levels");
        Budget.Current?.Step();
        if (ReferenceEquals(left, right))
            return left is not FloatValue { Value: double.NaN };
        if (Numbers.TryCompare(left, right, out int order))
            return order == 0;
        return (left, right) switch
        {
            (TextValue a, TextValue b) => EqualText(a.Value, b.Value),
            (NullValue, NullValue) or (UndefinedValue, UndefinedValue) => true,
            (ListValue a, ListValue b) => EqualLists(a, b, depth + 1),
            (MapValue a, MapValue b) => EqualMaps(a, b, depth + 1),
            (RangeValue a, RangeValue b) => a.Count == b.Count && (a.Count == 0 || (a.Start == b.Start && (a.Count == 1 || a.Step == b.Step))),
            _ => false,
        };
    }

    private static bool EqualLists(ListValue left, ListValue right, int depth)
    {
        if (left.IsTuple != right.IsTuple || left.Items.Length != right.Items.Length)
            return false;
        for (int i = 0; i < left.Items.Length; i++)
        {
            if (!Equal(left.Items[i], right.Items[i], depth))
                return false;
        }

        return true;
    }

    private static bool EqualMaps(MapValue left, MapValue right, int depth)
    {
        if (left.Entries.Count != right.Entries.Count)
            return false;
        foreach ((TemplateValue key, TemplateValue value) in left.Entries)
        {
            if (!right.TryGet(key, out TemplateValue? other) || !Equal(value, other, depth))
                return false;
        }

        return true;
    }

    private static bool EqualText(string left, string right)
    {
        if (left.Length != right.Length)
            return false;
        Budget.Current?.Step(left.Length / 32);
        return left == right;
    }

    /// <summary>By code points, which differs from code units where surrogates meet U+E000 and above.</summary>
    private static int CompareText(string left, string right)
    {
        for (int i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            char a = left[i], b = right[i];
            if (a != b)
                return char.IsSurrogate(a) == char.IsSurrogate(b) ? a.CompareTo(b) : char.IsSurrogate(a) ? 1 : -1;
        }

        return left.Length.CompareTo(right.Length);
    }

    private static int Hash(TemplateValue value, int depth)
    {
        if (depth > MaxDepth)
            throw new TemplateFault("dict", $"a key nested deeper than {MaxDepth} levels");
        Budget.Current?.Step();
        switch (value)
        {
            case TextValue text:
                return string.GetHashCode(text.Value, StringComparison.Ordinal);
            case BooleanValue b:
                return (b.Value ? BigInteger.One : BigInteger.Zero).GetHashCode();
            case IntegerValue i:
                return i.Value.GetHashCode();
            case FloatValue f:
                return double.IsInteger(f.Value) ? new BigInteger(f.Value).GetHashCode() : f.Value.GetHashCode();
            case ListValue { IsTuple: true } tuple:
                HashCode hash = default;
                foreach (TemplateValue item in tuple.Items)
                    hash.Add(Hash(item, depth + 1));
                return hash.ToHashCode();
            case ListValue or MapValue or MapViewValue:
                throw new TemplateFault("dict", $"a '{value.TypeName}' cannot be a key");
            case RangeValue range:
                return range.Count;
            case NullValue or UndefinedValue:
                return value.GetType().GetHashCode();
            default:
                return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value);
        }
    }
}
