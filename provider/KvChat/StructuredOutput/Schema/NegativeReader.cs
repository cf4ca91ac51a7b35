using System.Text.Json;
using KvChat.StructuredOutput.Patterns;

namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// The ways in which a value can fail a schema: any one of its keywords is broken. A way that no automaton can take is an error only where
/// nothing else has ruled it out.
/// </summary>
internal sealed class NegativeReader
{
    private readonly KeywordReader reader;
    private readonly SchemaDocument document;
    private readonly SchemaNode node;
    private readonly List<Way> ways = [];

    private NegativeReader(KeywordReader reader, SchemaDocument document)
    {
        this.reader = reader;
        this.document = document;
        node = reader.Node;
    }

    public static void Read(KeywordReader reader, SchemaDocument document)
    {
        var negative = new NegativeReader(reader, document);
        foreach (JsonProperty keyword in reader.Node.Element.EnumerateObject())
        {
            if (!negative.ReadApplicator(keyword.Name, keyword.Value) && !negative.ReadScalar(keyword.Name, keyword.Value) && !negative.ReadArray(keyword.Name, keyword.Value))
                negative.ReadObject(keyword.Name, keyword.Value);
        }

        reader.Choose("not", negative.ways);
    }

    private static readonly IReadOnlySet<string> None = new HashSet<string>();

    private static Claim Yes(SchemaNode n) => new(n, true);

    private static Claim No(SchemaNode n) => new(n, false);

    private void Break(JsonTypes types, Action<Facts> also, params IReadOnlyList<Claim> claims) => ways.Add(new Way(claims, f =>
    {
        f.Types &= types;
        also(f);
    }));

    private void Refuse(string keyword, JsonTypes types) => Break(types, f =>
    {
        if (f.Types != JsonTypes.None && !f.IsContradictory)
            throw node.Unsupported(keyword, "its negation (by not, oneOf or if) cannot be enforced");
    });

    private bool ReadApplicator(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "$ref" or "$recursiveRef":
                ways.Add(new Way([No(document.Resolve(node, node.Text(keyword, value), keyword))]));
                return true;
            case "$dynamicRef":
                ways.Add(new Way([No(document.ResolveDynamic(node, node.Text(keyword, value)))]));
                return true;
            case "allOf":
                reader.List(keyword, value).ForEach(n => ways.Add(new Way([No(n)])));
                return true;
            case "anyOf":
                ways.Add(new Way([.. reader.List(keyword, value).Select(No)]));
                return true;
            case "oneOf":
                ReadOneOf(reader.List(keyword, value));
                return true;
            case "not":
                ways.Add(new Way([Yes(reader.Child(keyword, value))]));
                return true;
            case "if":
                SchemaNode condition = reader.Child(keyword, value);
                if (node.Find("then") is { } then)
                    ways.Add(new Way([Yes(condition), No(reader.Child("then", then))]));
                if (node.Find("else") is { } otherwise)
                    ways.Add(new Way([No(condition), No(reader.Child("else", otherwise))]));
                return true;
            case "unevaluatedItems" or "unevaluatedProperties":
                Refuse(keyword, keyword == "unevaluatedItems" ? JsonTypes.Array : JsonTypes.Object);
                return true;
            default:
                return false;
        }
    }

    private void ReadOneOf(List<SchemaNode> nodes)
    {
        ways.Add(new Way([.. nodes.Select(No)]));
        for (int i = 0; i < nodes.Count; i++)
        {
            for (int j = i + 1; j < nodes.Count; j++)
            {
                if (!reader.Expander.AreDisjoint(nodes[i], nodes[j]))
                    ways.Add(new Way([Yes(nodes[i]), Yes(nodes[j])]));
            }
        }
    }

    private bool ReadScalar(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "type":
                JsonTypes types = reader.ReadTypes(value);
                Break(~types & JsonTypes.All, _ => { });
                return true;
            case "enum":
                List<JsonElement> values = [.. node.Array(keyword, value).EnumerateArray()];
                Break(JsonTypes.All, f => f.Excluded.AddRange(values.Select(v => (node, v))));
                return true;
            case "const":
                Break(JsonTypes.All, f => f.Excluded.Add((node, value)));
                return true;
            case "minLength" when node.Count(keyword, value) is int n:
                if (n > 0)
                    Break(JsonTypes.String, f => f.MaxLength = Math.Min(f.MaxLength, n - 1));
                return true;
            case "maxLength" when node.Count(keyword, value) is int n:
                if (n < int.MaxValue)
                    Break(JsonTypes.String, f => f.MinLength = Math.Max(f.MinLength, n + 1));
                return true;
            case "pattern":
                Break(JsonTypes.String, f => f.Texts.Add(new TextRule(node, keyword, node.Text(keyword, value), false)));
                return true;
            case "format":
                if (Formats.IsKnown(node.Text(keyword, value)))
                    Break(JsonTypes.String, f => f.Texts.Add(new TextRule(node, keyword, value.GetString()!, false)));
                return true;
            default:
                return ReadNumber(keyword, value);
        }
    }

    private bool ReadNumber(string keyword, JsonElement value)
    {
        bool isFlag = value.ValueKind is JsonValueKind.True or JsonValueKind.False;
        switch (keyword)
        {
            case "minimum":
                bool above = node.Find("exclusiveMinimum") is { ValueKind: JsonValueKind.True };
                Break(JsonTypes.Number, f => f.AtMost(node.Number(keyword, value), !above));
                return true;
            case "maximum":
                bool below = node.Find("exclusiveMaximum") is { ValueKind: JsonValueKind.True };
                Break(JsonTypes.Number, f => f.AtLeast(node.Number(keyword, value), !below));
                return true;
            case "exclusiveMinimum":
                if (!isFlag)
                    Break(JsonTypes.Number, f => f.AtMost(node.Number(keyword, value), false));
                return true;
            case "exclusiveMaximum":
                if (!isFlag)
                    Break(JsonTypes.Number, f => f.AtLeast(node.Number(keyword, value), false));
                return true;
            case "multipleOf":
                if (node.Number(keyword, value) is { Scale: 0, Unscaled.IsOne: true })
                    Break(JsonTypes.Fraction, _ => { });
                else
                    Break(JsonTypes.Number, f => f.Range = f.Range with { NoMultiplesOf = [.. f.Range.NoMultiplesOf, node.Number(keyword, value)] });
                return true;
            default:
                return false;
        }
    }

    private bool ReadArray(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "minItems" when node.Count(keyword, value) is int n:
                if (n > 0)
                    Break(JsonTypes.Array, f => f.MaxItems = Math.Min(f.MaxItems, n - 1));
                return true;
            case "maxItems" when node.Count(keyword, value) is int n:
                if (n < int.MaxValue)
                    Break(JsonTypes.Array, f => f.MinItems = Math.Max(f.MinItems, n + 1));
                return true;
            case "uniqueItems":
                if (value.ValueKind == JsonValueKind.True)
                    Refuse(keyword, JsonTypes.Array);
                return true;
            case "items" or "prefixItems":
                if (keyword == "prefixItems" || !node.Has("prefixItems"))
                    BreakItems(reader.ReadItems());
                return true;
            case "contains":
                if (node.Has("minContains") || node.Has("maxContains"))
                    Refuse(keyword, JsonTypes.Array);
                else
                    Break(JsonTypes.Array, f => f.Items.Add(new ItemRule([], No(reader.Child(keyword, value)))));
                return true;
            default:
                return keyword is "additionalItems" or "minContains" or "maxContains";
        }
    }

    private void BreakItems(ItemRule rule)
    {
        Claim open = Yes(document.True);
        for (int i = 0; i < rule.Prefix.Count; i++)
        {
            if (rule.Prefix[i].IsTrivial)
                continue;
            int index = i;
            Break(JsonTypes.Array, f =>
            {
                f.MinItems = Math.Max(f.MinItems, index + 1);
                f.Items.Add(new ItemRule([.. Enumerable.Repeat(open, index), rule.Prefix[index].Negated()], null));
            });
        }

        if (rule.Rest is not { IsTrivial: false } rest)
            return;
        if (rest.IsAbsurd)
            Break(JsonTypes.Array, f => f.MinItems = Math.Max(f.MinItems, rule.Prefix.Count + 1));
        else if (rule.Prefix.Count == 0)
            Break(JsonTypes.Array, f => f.Contains.Add(new ContainsRule(node, rest.Negated(), 1, int.MaxValue)));
        else
            Refuse("items", JsonTypes.Array);
    }

    private void ReadObject(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "properties":
                foreach (JsonProperty p in node.Map(keyword, value).EnumerateObject())
                    BreakProperty(p.Name, document.Child(node, p.Value, keyword, p.Name));
                break;
            case "patternProperties":
                foreach (JsonProperty p in node.Map(keyword, value).EnumerateObject())
                    Witness(keyword, None, [(p.Name, true)], null, No(document.Child(node, p.Value, keyword, p.Name)));
                break;
            case "additionalProperties":
                PropertyRule rule = reader.ReadProperties();
                Witness(keyword, rule.Named.Keys.ToHashSet(StringComparer.Ordinal), [.. rule.Patterns.Select(p => (p.Pattern, false))], null, No(reader.Child(keyword, value)));
                break;
            case "propertyNames":
                if (!reader.Child(keyword, value).IsTrue)
                    Witness(keyword, None, [], No(reader.Child(keyword, value)), Yes(document.True));
                break;
            case "required" when value.ValueKind == JsonValueKind.Array:
                foreach (JsonElement name in value.EnumerateArray())
                    Break(JsonTypes.Object, f => Forbid(f, node.Text(keyword, name)));
                break;
            case "minProperties" when node.Count(keyword, value) is int n and > 0:
                Break(JsonTypes.Object, f => f.MaxProperties = Math.Min(f.MaxProperties, n - 1));
                break;
            case "maxProperties" when node.Count(keyword, value) is int n and < int.MaxValue:
                Break(JsonTypes.Object, f =>
                {
                    f.MinProperties = Math.Max(f.MinProperties, n + 1);
                    f.MinPropertiesNode = node;
                });
                break;
            case "dependentRequired" or "dependentSchemas" or "dependencies":
                foreach (JsonProperty dependency in node.Map(keyword, value).EnumerateObject())
                    BreakDependency(keyword, dependency);
                break;
            default:
                break;
        }
    }

    /// <summary>There is a property of such a name and value.</summary>
    private void Witness(string keyword, IReadOnlySet<string> notNamed, IReadOnlyList<(string Pattern, bool Matches)> patterns, Claim? name, Claim value)
    {
        if (!value.IsAbsurd)
            Break(JsonTypes.Object, f => f.Witnesses.Add(new WitnessRule(node, keyword, notNamed, patterns, name, value)));
    }

    private void BreakProperty(string name, SchemaNode property)
    {
        if (property.IsTrue)
            return;
        Break(JsonTypes.Object, f =>
        {
            f.Require(name);
            f.AboutProperty(node, name, No(property));
        });
    }

    private void BreakDependency(string keyword, JsonProperty dependency)
    {
        if (dependency.Value.ValueKind != JsonValueKind.Array)
        {
            Break(JsonTypes.Object, f => f.Require(dependency.Name), No(document.Child(node, dependency.Value, keyword, dependency.Name)));
            return;
        }

        foreach (JsonElement needed in dependency.Value.EnumerateArray())
        {
            Break(JsonTypes.Object, f =>
            {
                f.Require(dependency.Name);
                Forbid(f, node.Text(keyword, needed));
            });
        }
    }

    private void Forbid(Facts facts, string name) =>
        facts.Properties.Add(new PropertyRule(node, new Dictionary<string, Claim>(StringComparer.Ordinal) { [name] = Yes(document.False) }, [], null));
}
