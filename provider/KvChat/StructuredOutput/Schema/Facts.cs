using System.Text.Json;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>A pattern or format that a string must match, or must not.</summary>
internal sealed record TextRule(SchemaNode Node, string Keyword, string Text, bool Holds);

/// <summary>Claims about the items of an array: the first ones, then all others.</summary>
internal sealed record ItemRule(IReadOnlyList<Claim> Prefix, Claim? Rest);

/// <summary>How many items satisfy a claim.</summary>
internal sealed record ContainsRule(SchemaNode Node, Claim Item, int Min, int Max);

/// <summary>Claims about the values of properties: by name, by pattern of the name, and for those that neither speaks of.</summary>
internal sealed record PropertyRule(SchemaNode Node, IReadOnlyDictionary<string, Claim> Named, IReadOnlyList<(string Pattern, Claim Value)> Patterns, Claim? Others);

/// <summary>That there is a property whose name is none of some, matches patterns or does not, and satisfies a claim, and whose value satisfies another.</summary>
internal sealed record WitnessRule(SchemaNode Node, string Keyword, IReadOnlySet<string> NotNamed, IReadOnlyList<(string Pattern, bool Matches)> Patterns, Claim? Name, Claim Value);

/// <summary>
/// What must hold of a value all at once: a conjunction of simple keywords, with no choice left. It is filled while a
/// <see cref="ClaimExpander"/> reads schemas, and copied where ways part.
/// </summary>
internal sealed class Facts
{
    public JsonTypes Types { get; set; } = JsonTypes.All;

    /// <summary>All claims that were read, to be checked against values that are known.</summary>
    public HashSet<Claim> Claims { get; private init; } = [];

    /// <summary>The only values, or null for any.</summary>
    public List<JsonElement>? Values { get; private set; }

    public List<(SchemaNode Node, JsonElement Value)> Excluded { get; private init; } = [];

    public int MinLength { get; set; }

    public int MaxLength { get; set; } = LanguageFactory.Unbounded;

    public List<TextRule> Texts { get; private init; } = [];

    public NumberRange Range { get; set; } = new();

    public int MinItems { get; set; }

    public int MaxItems { get; set; } = int.MaxValue;

    /// <summary>The schema that asks for different items.</summary>
    public SchemaNode? Unique { get; set; }

    public List<ItemRule> Items { get; private init; } = [];

    public List<ContainsRule> Contains { get; private init; } = [];

    public int MinProperties { get; set; }

    public int MaxProperties { get; set; } = int.MaxValue;

    /// <summary>The schema that asks for the least number of properties.</summary>
    public SchemaNode? MinPropertiesNode { get; set; }

    /// <summary>Names in the order in which schemas mention them.</summary>
    public List<string> Names { get; private init; } = [];

    private HashSet<string> Mentioned { get; init; } = new(StringComparer.Ordinal);

    public HashSet<string> Required { get; private init; } = new(StringComparer.Ordinal);

    public List<PropertyRule> Properties { get; private init; } = [];

    public List<Claim> PropertyNames { get; private init; } = [];

    public List<WitnessRule> Witnesses { get; private init; } = [];

    /// <summary>Whether nothing can satisfy them, as far as is plain.</summary>
    public bool IsContradictory => Types == JsonTypes.None || Values is { Count: 0 };

    public Facts Copy() => new()
    {
        Types = Types,
        Claims = [.. Claims],
        Values = Values,
        Excluded = [.. Excluded],
        MinLength = MinLength,
        MaxLength = MaxLength,
        Texts = [.. Texts],
        Range = Range,
        MinItems = MinItems,
        MaxItems = MaxItems,
        Unique = Unique,
        Items = [.. Items],
        Contains = [.. Contains],
        MinProperties = MinProperties,
        MaxProperties = MaxProperties,
        MinPropertiesNode = MinPropertiesNode,
        Names = [.. Names],
        Mentioned = new HashSet<string>(Mentioned, StringComparer.Ordinal),
        Required = new HashSet<string>(Required, StringComparer.Ordinal),
        Properties = [.. Properties],
        PropertyNames = [.. PropertyNames],
        Witnesses = [.. Witnesses],
    };

    public void Allow(IEnumerable<JsonElement> values)
    {
        List<JsonElement> all = [.. values];
        Values = Values is null ? all : Common(Values, all);
        Types &= Values.Aggregate(JsonTypes.None, (t, v) => t | JsonValues.TypeOf(v));
    }

    private static List<JsonElement> Common(List<JsonElement> some, List<JsonElement> others)
    {
        HashSet<string> strings = [.. others.Where(o => o.ValueKind == JsonValueKind.String).Select(o => o.GetString()!)];
        return [.. some.Where(v => v.ValueKind == JsonValueKind.String ? strings.Contains(v.GetString()!) : others.Exists(o => JsonValues.Equals(v, o)))];
    }

    public void AtLeast(JsonDecimal bound, bool exclusive)
    {
        int order = Range.Min is { } min ? bound.CompareTo(min) : 1;
        if (order > 0 || (order == 0 && exclusive))
            Range = Range with { Min = bound, MinIsExclusive = exclusive };
    }

    public void AtMost(JsonDecimal bound, bool exclusive)
    {
        int order = Range.Max is { } max ? bound.CompareTo(max) : -1;
        if (order < 0 || (order == 0 && exclusive))
            Range = Range with { Max = bound, MaxIsExclusive = exclusive };
    }

    public void Require(string name)
    {
        Required.Add(name);
        Mention(name);
    }

    public void Mention(string name)
    {
        if (Mentioned.Add(name))
            Names.Add(name);
    }

    /// <summary>Adds a claim about the value of one property, should it be there.</summary>
    public void AboutProperty(SchemaNode node, string name, Claim value)
    {
        Mention(name);
        Properties.Add(new PropertyRule(node, new Dictionary<string, Claim>(StringComparer.Ordinal) { [name] = value }, [], null));
    }
}
