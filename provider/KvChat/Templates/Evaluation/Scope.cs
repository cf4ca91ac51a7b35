namespace KvChat.Templates;

/// <summary>Names and their values, within an outer scope. Setting a name never changes the outer one.</summary>
internal sealed class Scope(Scope? outer)
{
    /// <summary>Up to this many names are searched one by one: a scope is made for every turn of a loop, and most hold two or three.</summary>
    private const int MaxFew = 6;

    private (string Name, TemplateValue Value)[]? few;
    private int count;
    private Dictionary<string, TemplateValue>? many;

    internal void Set(string name, TemplateValue value)
    {
        if (many is not null)
        {
            many[name] = value;
            return;
        }

        int place = Place(name);
        if (place < 0 && count == MaxFew)
        {
            many = few!.ToDictionary(f => f.Name, f => f.Value, StringComparer.Ordinal);
            many[name] = value;
            return;
        }

        few ??= new (string, TemplateValue)[2];
        if (place < 0)
            place = count++;
        if (place == few.Length)
            Array.Resize(ref few, MaxFew);
        few[place] = (name, value);
    }

    /// <summary>Whether the name is set in this scope itself.</summary>
    internal bool Has(string name) => many?.ContainsKey(name) ?? (Place(name) >= 0);

    internal TemplateValue? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope.many is not null)
            {
                if (scope.many.TryGetValue(name, out TemplateValue? value))
                    return value;
            }
            else if (scope.Place(name) is int place and >= 0)
            {
                return scope.few![place].Value;
            }
        }

        return null;
    }

    private Scope? Outer { get; } = outer;

    private int Place(string name)
    {
        for (int i = 0; i < count; i++)
        {
            if (few![i].Name == name)
                return i;
        }

        return -1;
    }
}
