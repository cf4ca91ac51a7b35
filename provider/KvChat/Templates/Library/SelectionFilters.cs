namespace KvChat.Templates;

/// <summary>Filters that run other filters or tests on each element. They give generators: lazy, always true, read once.</summary>
internal static class SelectionFilters
{
    internal static TemplateValue Map(Interpreter machine, TemplateValue value, Arguments arguments)
    {
        Func<TemplateValue, TemplateValue> change;
        if (arguments.Positional.Count == 0)
        {
            TemplateValue?[] given = arguments.Bind("attribute", "default");
            TemplateValue attribute = arguments.Require(given[0], "attribute");
            TemplateValue? otherwise = given[1] is NullValue ? null : given[1];
            change = item => Access.Path(item, attribute, otherwise);
        }
        else
        {
            string name = arguments.Text(arguments.Positional[0], "filter").Value;
            Arguments rest = new(name, arguments.Skip(1).Positional, arguments.Named);
            change = item => machine.Filter(name, item, rest);
        }

        return new GeneratorValue(Elements(machine, value).Select(change));
    }

    internal static TemplateValue Select(Interpreter machine, TemplateValue value, Arguments arguments, bool keep, bool byAttribute)
    {
        int skipped = byAttribute ? 1 : 0;
        TemplateValue? attribute = !byAttribute ? null : arguments.Positional.Count > 0 ? arguments.Positional[0] : throw arguments.Fault("needs the name of an attribute");
        Func<TemplateValue, bool> test = item => item.IsTrue;
        if (arguments.Positional.Count > skipped)
        {
            string name = arguments.Text(arguments.Positional[skipped], "test").Value;
            Arguments rest = new(name, arguments.Skip(skipped + 1).Positional, arguments.Named);
            test = item => machine.Test(name, item, rest);
        }

        return new GeneratorValue(Elements(machine, value).Where(item => test(attribute is null ? item : Access.Path(item, attribute)) == keep));
    }

    /// <summary>What is false has no elements here, even where it could not be iterated over; and nothing is read before it is asked for.</summary>
    private static IEnumerable<TemplateValue> Elements(Interpreter machine, TemplateValue value)
    {
        if (!value.IsTrue)
            yield break;
        foreach (TemplateValue item in Sequences.Iterate(value, machine.Budget))
            yield return item;
    }
}
