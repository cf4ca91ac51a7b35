namespace KvChat.Templates;

/// <summary>Evaluated arguments of a filter, test, method, macro or function.</summary>
internal sealed class Arguments(string construct, IReadOnlyList<TemplateValue> positional, IReadOnlyList<KeyValuePair<string, TemplateValue>> named)
{
    /// <summary>Name of what is called, for errors.</summary>
    internal string Construct { get; } = construct;

    internal IReadOnlyList<TemplateValue> Positional { get; } = positional;

    internal IReadOnlyList<KeyValuePair<string, TemplateValue>> Named { get; } = named;

    internal static Arguments None(string construct) => new(construct, [], []);

    /// <summary>Values in the order of the parameter names; null for what was not given.</summary>
    /// <exception cref="TemplateFault">Too many arguments, a name that is no parameter, or one given twice.</exception>
    internal TemplateValue?[] Bind(params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
            throw Fault($"takes at most {parameters.Length} arguments, not {Positional.Count}");
        TemplateValue?[] values = new TemplateValue?[parameters.Length];
        for (int i = 0; i < Positional.Count; i++)
            values[i] = Positional[i];
        foreach ((string name, TemplateValue value) in Named)
        {
            int place = parameters.IndexOf(name);
            if (place < 0)
                throw Fault($"has no argument '{name}'");
            if (values[place] is not null)
                throw Fault($"got '{name}' twice");
            values[place] = value;
        }

        return values;
    }

    /// <summary>The one value of a parameter that must be given.</summary>
    internal TemplateValue Single(string parameter) => Require(Bind(parameter)[0], parameter);

    internal TemplateValue Require(TemplateValue? value, string parameter) => value ?? throw Fault($"needs the argument '{parameter}'");

    /// <summary>Checks that nothing was given.</summary>
    internal void Empty() => Bind();

    internal TextValue Text(TemplateValue? value, string parameter) => value switch
    {
        TextValue text => text,
        UndefinedValue undefined => throw undefined.Fault(),
        null => throw Fault($"needs the argument '{parameter}'"),
        _ => throw Fault($"needs a string as '{parameter}', not '{value.TypeName}'"),
    };

    internal int Integer(TemplateValue? value, int otherwise) => value is null or NullValue ? otherwise : Numbers.ToIndex(value, Construct);

    /// <summary>Arguments after the first few.</summary>
    internal Arguments Skip(int count) => new(Construct, [.. Positional.Skip(count)], Named);

    internal TemplateFault Fault(string message) => new(Construct, $"'{Construct}' {message}");
}
