namespace KvChat.Templates;

/// <summary>A method of a value.</summary>
internal delegate TemplateValue Method(Interpreter machine, TemplateValue self, Arguments arguments);

/// <summary>The methods of Python's types that templates may call; those that change a value are refused, as Hugging Face transformers does.</summary>
internal static class Methods
{
    private static readonly HashSet<string> ListChanges = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"];
    private static readonly HashSet<string> MapChanges = ["clear", "pop", "popitem", "setdefault", "update"];

    private static readonly Dictionary<string, Method> MapMethods = new(StringComparer.Ordinal)
    {
        ["items"] = (_, self, arguments) => View(self, "items", arguments),
        ["keys"] = (_, self, arguments) => View(self, "keys", arguments),
        ["values"] = (_, self, arguments) => View(self, "values", arguments),
        ["copy"] = (_, self, arguments) => Same(self, arguments),
        ["get"] = Get,
    };

    private static readonly Dictionary<string, Method> ListMethods = new(StringComparer.Ordinal)
    {
        ["count"] = Count,
        ["index"] = IndexOf,
        ["copy"] = (_, self, arguments) => Same(self, arguments),
    };

    /// <summary>Whether a method of this name would change the value.</summary>
    internal static bool IsChange(TemplateValue target, string name) => target switch
    {
        ListValue { IsTuple: false } => ListChanges.Contains(name),
        MapValue => MapChanges.Contains(name),
        _ => false,
    };

    internal static Method? Find(TemplateValue target, string name) => target switch
    {
        TextValue => StringMethods.Table.GetValueOrDefault(name),
        MapValue => MapMethods.GetValueOrDefault(name),
        ListValue { IsTuple: false } => ListMethods.GetValueOrDefault(name),
        ListValue or RangeValue when name != "copy" => ListMethods.GetValueOrDefault(name),
        _ => null,
    };

    private static MapViewValue View(TemplateValue self, string kind, Arguments arguments)
    {
        arguments.Empty();
        return new MapViewValue((MapValue)self, kind);
    }

    private static TemplateValue Same(TemplateValue self, Arguments arguments)
    {
        arguments.Empty();
        return self;
    }

    private static TemplateValue Get(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TemplateValue?[] given = arguments.Bind("key", "default");
        return ((MapValue)self).TryGet(arguments.Require(given[0], "key"), out TemplateValue? value) ? value : given[1] ?? TemplateValue.Null;
    }

    private static TemplateValue Count(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TemplateValue wanted = arguments.Single("value");
        return TemplateValue.FromInt64(Sequences.Iterate(self, machine.Budget).Count(item => PythonEquality.Equal(item, wanted)));
    }

    private static TemplateValue IndexOf(Interpreter machine, TemplateValue self, Arguments arguments)
    {
        TemplateValue wanted = arguments.Single("value");
        int index = 0;
        foreach (TemplateValue item in Sequences.Iterate(self, machine.Budget))
        {
            if (PythonEquality.Equal(item, wanted))
                return TemplateValue.FromInt64(index);
            index++;
        }

        throw arguments.Fault("did not find the value");
    }
}
