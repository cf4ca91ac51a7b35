using System.Text.Json;
using KvChat.StructuredOutput.Patterns;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Reads the keywords of one schema that must hold into <see cref="Schema.Facts"/>, in the order in which they stand.</summary>
internal sealed class KeywordReader(ClaimExpander expander, Facts facts, SchemaNode node, Action<Claim> assert, Action<string, IReadOnlyList<Way>> choose)
{
    private readonly SchemaDocument document = expander.Document;

    public ClaimExpander Expander => expander;

    public Facts Facts => facts;

    public SchemaNode Node => node;

    public Action<Claim> Assert => assert;

    public Action<string, IReadOnlyList<Way>> Choose => choose;

    public void ReadPositive()
    {
        foreach (JsonProperty keyword in node.Element.EnumerateObject())
        {
            if (!ReadApplicator(keyword.Name, keyword.Value) && !ReadScalar(keyword.Name, keyword.Value) && !ReadArray(keyword.Name, keyword.Value))
                ReadObject(keyword.Name, keyword.Value);
        }
    }

    /// <summary>The schemas of a list such as <c>anyOf</c>.</summary>
    public List<SchemaNode> List(string keyword, JsonElement value)
    {
        List<SchemaNode> nodes = [];
        foreach (JsonElement child in node.Array(keyword, value).EnumerateArray())
            nodes.Add(document.Child(node, child, keyword, $"{nodes.Count}"));
        return nodes;
    }

    public SchemaNode Child(string keyword, JsonElement value) => document.Child(node, value, keyword);

    private static Claim Yes(SchemaNode n) => new(n, true);

    private static Claim No(SchemaNode n) => new(n, false);

    private bool ReadApplicator(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "$ref" or "$recursiveRef":
                assert(Yes(document.Resolve(node, node.Text(keyword, value), keyword)));
                return true;
            case "$dynamicRef":
                assert(Yes(document.ResolveDynamic(node, node.Text(keyword, value))));
                return true;
            case "allOf":
                List(keyword, value).ForEach(n => assert(Yes(n)));
                return true;
            case "anyOf":
                choose(keyword, [.. List(keyword, value).Select(n => new Way([Yes(n)]))]);
                return true;
            case "oneOf":
                choose(keyword, expander.ExactlyOne(List(keyword, value)));
                return true;
            case "not":
                assert(No(Child(keyword, value)));
                return true;
            case "if":
                ReadCondition(value);
                return true;
            case "unevaluatedProperties" or "unevaluatedItems":
                Unevaluated.Read(this, keyword, value);
                return true;
            default:
                return false;
        }
    }

    private void ReadCondition(JsonElement value)
    {
        SchemaNode condition = Child("if", value);
        SchemaNode then = node.Find("then") is { } t ? Child("then", t) : document.True;
        SchemaNode otherwise = node.Find("else") is { } e ? Child("else", e) : document.True;
        if (!then.IsTrue || !otherwise.IsTrue)
            choose("if", [new Way([Yes(condition), Yes(then)]), new Way([No(condition), Yes(otherwise)])]);
    }

    private bool ReadScalar(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "type":
                facts.Types &= ReadTypes(value);
                return true;
            case "enum":
                facts.Allow(node.Array(keyword, value).EnumerateArray());
                return true;
            case "const":
                facts.Allow([value]);
                return true;
            case "minLength":
                facts.MinLength = Math.Max(facts.MinLength, node.Count(keyword, value));
                return true;
            case "maxLength":
                facts.MaxLength = Math.Min(facts.MaxLength, node.Count(keyword, value));
                return true;
            case "pattern":
                facts.Texts.Add(new TextRule(node, keyword, node.Text(keyword, value), true));
                return true;
            case "format":
                if (Formats.IsKnown(node.Text(keyword, value)))
                    facts.Texts.Add(new TextRule(node, keyword, value.GetString()!, true));
                return true;
            default:
                return ReadNumber(keyword, value);
        }
    }

    private bool ReadNumber(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            // In draft 4 the exclusive forms were flags beside the bounds.
            case "minimum":
                facts.AtLeast(node.Number(keyword, value), node.Find("exclusiveMinimum") is { ValueKind: JsonValueKind.True });
                return true;
            case "maximum":
                facts.AtMost(node.Number(keyword, value), node.Find("exclusiveMaximum") is { ValueKind: JsonValueKind.True });
                return true;
            case "exclusiveMinimum":
                if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                    facts.AtLeast(node.Number(keyword, value), true);
                return true;
            case "exclusiveMaximum":
                if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                    facts.AtMost(node.Number(keyword, value), true);
                return true;
            case "multipleOf":
                if (node.Number(keyword, value).Unscaled.Sign <= 0)
                    throw node.Error(keyword, $"the value is {value.GetRawText()}; it must be greater than 0.");
                facts.Range = facts.Range with { MultiplesOf = [.. facts.Range.MultiplesOf, node.Number(keyword, value)] };
                return true;
            default:
                return false;
        }
    }

    public JsonTypes ReadTypes(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array)
            return value.EnumerateArray().Aggregate(JsonTypes.None, (t, v) => t | ReadTypes(v));
        string name = node.Text("type", value);
        return name switch
        {
            "null" => JsonTypes.Null,
            "boolean" => JsonTypes.Boolean,
            "string" => JsonTypes.String,
            "array" => JsonTypes.Array,
            "object" => JsonTypes.Object,
            "integer" => JsonTypes.Integer,
            "number" => JsonTypes.Number,
            _ => throw node.Error("type", $"the value is '{name}'; it must be null, boolean, string, number, integer, array or object."),
        };
    }

    private bool ReadArray(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "minItems":
                facts.MinItems = Math.Max(facts.MinItems, node.Count(keyword, value));
                return true;
            case "maxItems":
                facts.MaxItems = Math.Min(facts.MaxItems, node.Count(keyword, value));
                return true;
            case "uniqueItems":
                if (value.ValueKind == JsonValueKind.True)
                    facts.Unique ??= node;
                return true;
            case "items" or "prefixItems":
                // Together, and once.
                if (keyword == "prefixItems" || !node.Has("prefixItems"))
                    facts.Items.Add(ReadItems());
                return true;
            case "contains":
                int min = node.Find("minContains") is { } least ? node.Count("minContains", least) : 1;
                int max = node.Find("maxContains") is { } most ? node.Count("maxContains", most) : int.MaxValue;
                facts.Contains.Add(new ContainsRule(node, Yes(Child(keyword, value)), min, max));
                return true;
            default:
                return keyword is "additionalItems" or "minContains" or "maxContains";
        }
    }

    /// <summary><c>prefixItems</c> with <c>items</c>, or an array of <c>items</c> with <c>additionalItems</c> as before draft 2020-12.</summary>
    public ItemRule ReadItems()
    {
        JsonElement? items = node.Find("items");
        if (node.Find("prefixItems") is { } prefix)
            return new ItemRule([.. List("prefixItems", prefix).Select(Yes)], items is { } rest ? Yes(Child("items", rest)) : null);
        if (items is { ValueKind: JsonValueKind.Array } list)
            return new ItemRule([.. List("items", list).Select(Yes)], node.Find("additionalItems") is { } rest ? Yes(Child("additionalItems", rest)) : null);
        return new ItemRule([], Yes(Child("items", items!.Value)));
    }

    private void ReadObject(string keyword, JsonElement value)
    {
        switch (keyword)
        {
            case "properties":
                facts.Properties.Add(ReadProperties());
                foreach (JsonProperty property in value.EnumerateObject())
                    facts.Mention(property.Name);
                break;
            case "patternProperties" when !node.Has("properties"):
            case "additionalProperties" when !node.Has("properties") && !node.Has("patternProperties"):
                facts.Properties.Add(ReadProperties());
                break;
            case "required" when value.ValueKind == JsonValueKind.Array:
                foreach (JsonElement name in value.EnumerateArray())
                    facts.Required.Add(node.Text(keyword, name));
                break;
            case "minProperties":
                facts.MinProperties = Math.Max(facts.MinProperties, node.Count(keyword, value));
                facts.MinPropertiesNode = node;
                break;
            case "maxProperties":
                facts.MaxProperties = Math.Min(facts.MaxProperties, node.Count(keyword, value));
                break;
            case "propertyNames":
                facts.PropertyNames.Add(Yes(Child(keyword, value)));
                break;
            case "dependentRequired" or "dependentSchemas" or "dependencies":
                foreach (JsonProperty dependency in node.Map(keyword, value).EnumerateObject())
                    ReadDependency(keyword, dependency);
                break;
            default:
                break; // annotations, and keywords that nobody defined
        }
    }

    public PropertyRule ReadProperties()
    {
        var named = new Dictionary<string, Claim>(StringComparer.Ordinal);
        List<(string, Claim)> patterns = [];
        if (node.Find("properties") is { } properties)
        {
            foreach (JsonProperty p in node.Map("properties", properties).EnumerateObject())
                named[p.Name] = Yes(document.Child(node, p.Value, "properties", p.Name));
        }

        if (node.Find("patternProperties") is { } byPattern)
        {
            foreach (JsonProperty p in node.Map("patternProperties", byPattern).EnumerateObject())
                patterns.Add((p.Name, Yes(document.Child(node, p.Value, "patternProperties", p.Name))));
        }

        return new PropertyRule(node, named, patterns, node.Find("additionalProperties") is { } others ? Yes(Child("additionalProperties", others)) : null);
    }

    /// <summary>Either the property is not there, or what depends on it holds.</summary>
    private void ReadDependency(string keyword, JsonProperty dependency)
    {
        string name = dependency.Name;
        bool isList = dependency.Value.ValueKind == JsonValueKind.Array;
        List<Claim> claims = isList ? [] : [Yes(document.Child(node, dependency.Value, keyword, name))];
        List<string> required = isList ? [.. dependency.Value.EnumerateArray().Select(v => node.Text(keyword, v))] : [];
        // Names that no "properties" mentions come after those that do, what is depended upon before what depends on it.
        var present = new Way(claims, f =>
        {
            required.ForEach(r => f.Required.Add(r));
            f.Required.Add(name);
        });
        var absent = new Way([], f =>
        {
            // A name that nothing else mentions must not move before others in the order.
            f.Properties.Add(new PropertyRule(node, new Dictionary<string, Claim>(StringComparer.Ordinal) { [name] = Yes(document.False) }, [], null));
        });
        // A value of another type satisfies it in either way: it is left to the first.
        choose(keyword, [absent, new Way(present.Claims, f =>
        {
            f.Types &= JsonTypes.Object;
            present.Also!(f);
        })]);
    }
}
