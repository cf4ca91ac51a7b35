namespace KvChat.Templates;

/// <summary>Filters on lists, maps and other sequences.</summary>
internal static class SequenceFilters
{
    internal static TemplateValue Length(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        return new IntegerValue(Sequences.Length(value) ?? throw arguments.Fault($"needs something with a length, not '{value.TypeName}'"), value.Origin);
    }

    internal static TemplateValue List(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        return new ListValue([.. Sequences.Iterate(value, machine.Budget)], false, value is TextValue ? 0 : value.Origin);
    }

    internal static TemplateValue First(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        return Sequences.Iterate(value, machine.Budget).FirstOrDefault() ?? new UndefinedValue("no first item: the sequence is empty");
    }

    internal static TemplateValue Last(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        if (value is GeneratorValue)
            throw arguments.Fault("cannot go backwards through a generator; 'list' makes a list of it");
        return Sequences.Iterate(value, machine.Budget).LastOrDefault() ?? new UndefinedValue("no last item: the sequence is empty");
    }

    internal static TemplateValue Reverse(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        if (value is TextValue text)
            return Sequences.Slice(text, null, null, TemplateValue.FromInt64(-1), machine.Budget);
        TemplateValue[] items = [.. Sequences.Iterate(value, machine.Budget)];
        Array.Reverse(items);
        return value is GeneratorValue ? new ListValue(items, false) : new GeneratorValue(items);
    }

    internal static TemplateValue Items(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        arguments.Empty();
        return value switch
        {
            MapValue map => new GeneratorValue(new MapViewValue(map, "items").Elements()),
            UndefinedValue => new GeneratorValue([]),
            _ => throw arguments.Fault($"needs a mapping, not '{value.TypeName}'"),
        };
    }

    internal static TemplateValue DictSort(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("case_sensitive", "by", "reverse");
        string by = given[1] is null ? "key" : arguments.Text(given[1], "by").Value;
        if (by is not ("key" or "value"))
            throw arguments.Fault("sorts by 'key' or 'value'");
        if (value is not MapValue map)
            throw (value as UndefinedValue)?.Fault() ?? arguments.Fault($"needs a mapping, not '{value.TypeName}'");
        bool exact = given[0]?.IsTrue ?? false;
        ListValue[] pairs = [.. new MapViewValue(map, "items").Elements().Cast<ListValue>()];
        int part = by == "key" ? 0 : 1;
        return new ListValue(StableSort.By(pairs, p => Fold(p.Items[part], exact, machine), given[2]?.IsTrue ?? false, "dictsort"), false, map.Origin);
    }

    internal static TemplateValue Sort(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("reverse", "case_sensitive", "attribute");
        TemplateValue[] items = [.. Sequences.Iterate(value, machine.Budget)];
        bool exact = given[1]?.IsTrue ?? false;
        return new ListValue(StableSort.By(items, Key, given[0]?.IsTrue ?? false, "sort"), false);

        // Several attributes, parted by commas, sort one after the other.
        TemplateValue Key(TemplateValue item) => given[2] is not TextValue names
            ? new ListValue([Fold(given[2] is null ? item : Access.Path(item, given[2]!), exact, machine)], true)
            : new ListValue([.. names.Value.Split(',').Select(name => Fold(Access.Path(item, new TextValue(name, 0)), exact, machine))], true);
    }

    internal static TemplateValue Unique(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        Func<TemplateValue, TemplateValue> key = KeyOf(machine, arguments.Bind("case_sensitive", "attribute"));
        IEnumerable<TemplateValue> items = Sequences.Iterate(value, machine.Budget);
        return new GeneratorValue(Distinct());

        IEnumerable<TemplateValue> Distinct()
        {
            HashSet<TemplateValue> seen = new(PythonEquality.Instance);
            foreach (TemplateValue item in items)
            {
                if (seen.Add(key(item)))
                    yield return item;
            }
        }
    }

    internal static TemplateValue Extreme(Interpreter machine, TemplateValue value, Arguments arguments, int sign)
    {
        Func<TemplateValue, TemplateValue> key = KeyOf(machine, arguments.Bind("case_sensitive", "attribute"));
        TemplateValue? best = null, bestKey = null;
        foreach (TemplateValue item in Sequences.Iterate(value, machine.Budget))
        {
            TemplateValue itemKey = key(item);
            if (bestKey is null || PythonEquality.Compare(itemKey, bestKey, arguments.Construct) * sign > 0)
                (best, bestKey) = (item, itemKey);
        }

        return best ?? new UndefinedValue("no item to choose: the sequence is empty");
    }

    internal static TemplateValue GroupBy(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("attribute", "default", "case_sensitive");
        TemplateValue attribute = arguments.Require(given[0], "attribute");
        bool exact = given[2]?.IsTrue ?? false;
        TemplateValue[] items = [.. Sequences.Iterate(value, machine.Budget)];
        List<List<TemplateValue>> groups = [];
        TemplateValue? last = null;
        foreach (TemplateValue item in StableSort.By(items, Key, false, "groupby"))
        {
            TemplateValue key = Key(item);
            if (last is null || !PythonEquality.Equal(key, last))
                groups.Add([]);
            groups[^1].Add(item);
            last = key;
        }

        return new ListValue([.. groups.Select(g => new GroupValue(exact ? Key(g[0]) : Access.Path(g[0], attribute, given[1]), new ListValue([.. g], false)))], false);

        TemplateValue Key(TemplateValue item) => Fold(Access.Path(item, attribute, given[1]), exact, machine);
    }

    internal static TemplateValue Sum(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("attribute", "start");
        TemplateValue sum = given[1] ?? TemplateValue.FromInt64(0);
        if (sum is TextValue)
            throw arguments.Fault("adds no strings; 'join' does");
        foreach (TemplateValue item in Sequences.Iterate(value, machine.Budget))
            sum = Operators.Arithmetic(machine, "+", sum, given[0] is null or NullValue ? item : Access.Path(item, given[0]!));
        return sum;
    }

    internal static TemplateValue Batch(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("linecount", "fill_with");
        int size = Numbers.ToIndex(arguments.Require(given[0], "linecount"), "batch");
        List<TemplateValue> batches = [], batch = [];
        foreach (TemplateValue item in Sequences.Iterate(value, machine.Budget))
        {
            if (batch.Count == size)
            {
                machine.Budget.Step(4);
                batches.Add(new ListValue([.. batch], false));
                batch.Clear();
            }

            batch.Add(item);
        }

        if (batch.Count > 0)
        {
            if (given[1] is not (null or NullValue) && batch.Count < size)
                batch.AddRange(Enumerable.Repeat(given[1]!, machine.Budget.Elements(size - batch.Count, "batch")));
            batches.Add(new ListValue([.. batch], false));
        }

        return new GeneratorValue(batches);
    }

    internal static TemplateValue Slice(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("slices", "fill_with");
        int count = Numbers.ToIndex(arguments.Require(given[0], "slices"), "slice");
        if (count == 0)
            throw arguments.Fault("cannot make 0 slices");
        count = machine.Budget.Elements(count, "slice");
        TemplateValue[] items = [.. Sequences.Iterate(value, machine.Budget)];
        List<TemplateValue> slices = [];
        int at = 0;
        for (int i = 0; i < count; i++)
        {
            bool longer = i < items.Length % count;
            int length = (items.Length / count) + (longer ? 1 : 0);
            List<TemplateValue> slice = [.. items.AsSpan(at, length)];
            at += length;
            if (given[1] is not (null or NullValue) && !longer)
                slice.Add(given[1]!);
            slices.Add(new ListValue([.. slice], false));
        }

        return new GeneratorValue(slices);
    }

    /// <summary>Small letters, where case does not count.</summary>
    private static TemplateValue Fold(TemplateValue value, bool exact, Interpreter machine) =>
        !exact && value is TextValue text ? TextOperations.ChangeCase(text, TextOperations.Case.Lower, machine.Budget) : value;

    private static Func<TemplateValue, TemplateValue> KeyOf(Interpreter machine, TemplateValue?[] given)
    {
        bool exact = given[0]?.IsTrue ?? false;
        TemplateValue? attribute = given[1];
        return item => Fold(attribute is null ? item : Access.Path(item, attribute), exact, machine);
    }
}
