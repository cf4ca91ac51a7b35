namespace KvChat.Templates;

/// <summary>Names and their values, within an outer scope. Setting a name never changes the outer one.</summary>
internal sealed class Scope(Scope? outer)
{
    private Dictionary<string, TemplateValue>? names;

    internal void Set(string name, TemplateValue value) => (names ??= new(StringComparer.Ordinal))[name] = value;

    /// <summary>Whether the name is set in this scope itself.</summary>
    internal bool Has(string name) => names?.ContainsKey(name) ?? false;

    internal TemplateValue? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope.names is not null && scope.names.TryGetValue(name, out TemplateValue? value))
                return value;
        }

        return null;
    }

    private Scope? Outer { get; } = outer;
}
