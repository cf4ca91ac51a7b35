namespace KvChat.Templates;

/// <summary>Iteration, length, membership and slices, as Python has them.</summary>
internal static class Sequences
{
    internal static bool IsIterable(TemplateValue value) =>
        value is UndefinedValue or ListValue or MapValue or TextValue or RangeValue or MapViewValue or GeneratorValue or LoopValue;

    /// <summary>The elements of a value: characters, keys, elements; none of an undefined value. Each is a step.</summary>
    internal static IEnumerable<TemplateValue> Iterate(TemplateValue value, Budget budget)
    {
        IEnumerable<TemplateValue> elements = value switch
        {
            ListValue list => list.Items,
            MapValue map => map.Entries.Select(e => e.Key),
            TextValue text => CodePoints(text),
            RangeValue range => Enumerable.Range(0, range.Count).Select(range.At),
            MapViewValue view => view.Elements(),
            GeneratorValue generator => generator.Rest(),
            UndefinedValue => [],
            _ => throw new TemplateFault("iteration", $"a '{value.TypeName}' cannot be iterated over"),
        };
        return Counted(elements, budget);
    }

    /// <summary>Length, or null where the value has none.</summary>
    internal static int? Length(TemplateValue value) => value switch
    {
        TextValue text => text.CodePoints,
        ListValue list => list.Items.Length,
        MapValue map => map.Entries.Count,
        MapViewValue view => view.Source.Entries.Count,
        RangeValue range => range.Count,
        UndefinedValue => 0,
        _ => null,
    };

    internal static bool Contains(TemplateValue container, TemplateValue value, Budget budget)
    {
        switch (container)
        {
            case TextValue text:
                if (value is not TextValue part)
                    throw (value as UndefinedValue)?.Fault() ?? new TemplateFault("in", $"'in' a string needs a string, not '{value.TypeName}'");
                return TextSearch.First(text.Value, part.Value, 0, text.Length, budget) >= 0;
            case MapValue map:
                return map.TryGet(value, out _);
            default:
                return Iterate(container, budget).Any(item => PythonEquality.Equal(item, value));
        }
    }

    internal static TemplateValue Slice(TemplateValue target, TemplateValue? start, TemplateValue? stop, TemplateValue? step, Budget budget)
    {
        if (target is UndefinedValue undefined)
            throw undefined.Fault();
        if (target is not (TextValue or ListValue or RangeValue))
            throw new TemplateFault("[:]", $"a '{target.TypeName}' cannot be sliced");
        int length = Length(target)!.Value;
        long stride = step is null or NullValue ? 1 : Numbers.ToIndex(step, "[:]");
        if (stride == 0)
            throw new TemplateFault("[:]", "a slice's step cannot be 0");
        long low = stride > 0 ? 0 : -1, high = stride > 0 ? length : length - 1;
        long from = Bound(start, stride > 0 ? low : high, length, low, high);
        long to = Bound(stop, stride > 0 ? high : low, length, low, high);
        long count = stride > 0 ? (to - from + stride - 1) / stride : (from - to - stride - 1) / -stride;
        count = Math.Max(0, count);
        budget.Step(count / 8);
        if (target is TextValue text)
            return SliceText(text, from, stride, count, budget);
        if (target is RangeValue range)
            return new RangeValue(range.Start + (range.Step * from), range.Start + (range.Step * to), range.Step * stride, (int)count, range.Origin);
        ListValue list = (ListValue)target;
        TemplateValue[] items = new TemplateValue[count];
        for (long i = 0; i < count; i++)
            items[i] = list.Items[from + (i * stride)];
        return new ListValue(items, list.IsTuple, list.Origin);
    }

    private static TextValue SliceText(TextValue text, long from, long stride, long count, Budget budget)
    {
        if (count == 0)
            return text.Slice(0, 0);
        if (stride == 1)
        {
            budget.Characters((int)count);
            int start = text.UnitOf((int)from);
            return text.Slice(start, text.UnitOf((int)(from + count)) - start);
        }

        TextBuilder part = new(budget, "[:]");
        int[]? units = text.HasSurrogates ? [.. Starts(text)] : null;
        for (long i = 0; i < count; i++)
        {
            int place = (int)(from + (i * stride));
            int unit = units is null ? place : units[place];
            part.Append(text.Slice(unit, text.WidthAt(unit)));
        }

        return part.ToText(text.IsMarkup);
    }

    private static IEnumerable<int> Starts(TextValue text)
    {
        for (int i = 0; i < text.Length; i += text.WidthAt(i))
            yield return i;
    }

    private static IEnumerable<TemplateValue> CodePoints(TextValue text) => Starts(text).Select(i => (TemplateValue)text.Slice(i, text.WidthAt(i)));

    private static IEnumerable<TemplateValue> Counted(IEnumerable<TemplateValue> elements, Budget budget)
    {
        foreach (TemplateValue element in elements)
        {
            budget.Step();
            yield return element;
        }
    }

    private static long Bound(TemplateValue? value, long otherwise, int length, long low, long high)
    {
        if (value is null or NullValue)
            return otherwise;
        long place = Numbers.ToIndex(value, "[:]");
        if (place < 0)
            place += length;
        return Math.Clamp(place, low, high);
    }
}
