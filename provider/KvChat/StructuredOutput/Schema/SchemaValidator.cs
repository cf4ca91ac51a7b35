using System.Runtime.CompilerServices;
using System.Text.Json;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Json;
using KvChat.StructuredOutput.Patterns;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Checks values that a schema itself names (<c>enum</c>, <c>const</c>, names of properties) against its other keywords.</summary>
internal sealed class SchemaValidator(SchemaDocument document)
{
    private const int Deepest = 200;

    private int depth;

    public bool SatisfiesAll(IEnumerable<Claim> claims, JsonElement value) => claims.All(c => Satisfies(c, value));

    public bool Satisfies(Claim claim, JsonElement value) => IsValid(claim.Node, value) == claim.Holds;

    private bool IsValid(SchemaNode node, JsonElement value)
    {
        if (node.Element.ValueKind != JsonValueKind.Object)
            return node.Element.ValueKind == JsonValueKind.True;
        if (++depth > Deepest || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw node.Unsupported("enum", $"checking its values leads through more than {Deepest} schemas");
        try
        {
            foreach (JsonProperty keyword in node.Element.EnumerateObject())
            {
                if (!Holds(node, keyword.Name, keyword.Value, value))
                    return false;
            }

            return true;
        }
        finally
        {
            depth--;
        }
    }

    private bool IsValid(SchemaNode node, JsonElement schema, JsonElement value, params ReadOnlySpan<string> path) => IsValid(document.Child(node, schema, path), value);

    private bool Holds(SchemaNode node, string keyword, JsonElement k, JsonElement value) => keyword switch
    {
        "type" => MatchesType(node, k, value),
        "enum" => node.Lists(keyword, k, value),
        "const" => JsonValues.Equals(k, value),
        "$ref" or "$recursiveRef" => IsValid(document.Resolve(node, node.Text(keyword, k), keyword), value),
        "$dynamicRef" => IsValid(document.ResolveDynamic(node, node.Text(keyword, k)), value),
        "allOf" => CountValid(node, keyword, k, value) == k.GetArrayLength(),
        "anyOf" => CountValid(node, keyword, k, value) > 0,
        "oneOf" => CountValid(node, keyword, k, value) == 1,
        "not" => !IsValid(node, k, value, keyword),
        "if" => IsValid(node, k, value, keyword)
            ? node.Find("then") is not { } then || IsValid(node, then, value, "then")
            : node.Find("else") is not { } otherwise || IsValid(node, otherwise, value, "else"),
        "unevaluatedItems" or "unevaluatedProperties" => value.ValueKind is JsonValueKind.Array or JsonValueKind.Object
            ? throw node.Unsupported(keyword, "beside enum or const")
            : true,
        _ => value.ValueKind switch
        {
            JsonValueKind.String => HoldsOfString(node, keyword, k, value.GetString()!),
            JsonValueKind.Number => HoldsOfNumber(node, keyword, k, value),
            JsonValueKind.Array => HoldsOfArray(node, keyword, k, value),
            JsonValueKind.Object => HoldsOfObject(node, keyword, k, value),
            _ => true,
        },
    };

    private static bool MatchesType(SchemaNode node, JsonElement types, JsonElement value)
    {
        if (types.ValueKind == JsonValueKind.Array)
            return types.EnumerateArray().Any(t => MatchesType(node, t, value));
        JsonTypes type = JsonValues.TypeOf(value);
        return node.Text("type", types) switch
        {
            "number" => (type & JsonTypes.Number) != 0,
            var name => string.Equals(name, type.ToString(), StringComparison.OrdinalIgnoreCase),
        };
    }

    private int CountValid(SchemaNode node, string keyword, JsonElement list, JsonElement value)
    {
        int index = 0, count = 0;
        foreach (JsonElement schema in list.EnumerateArray())
            count += IsValid(node, schema, value, keyword, $"{index++}") ? 1 : 0;
        return count;
    }

    private static bool HoldsOfString(SchemaNode node, string keyword, JsonElement k, string text) => keyword switch
    {
        "minLength" => text.EnumerateRunes().Count() >= node.Count(keyword, k),
        "maxLength" => text.EnumerateRunes().Count() <= node.Count(keyword, k),
        "pattern" => StringLanguage.Matches(node, keyword, k.GetString()!, text),
        "format" => !Formats.IsKnown(k.GetString()!) || Formats.Find(node, k.GetString()!, true).Dfa.Matches(text),
        _ => true,
    };

    private static bool HoldsOfNumber(SchemaNode node, string keyword, JsonElement k, JsonElement value)
    {
        if (keyword is not ("minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf") || k.ValueKind != JsonValueKind.Number)
            return true;
        JsonDecimal number = node.Number(keyword, value), bound = node.Number(keyword, k);
        int order = number.CompareTo(bound);
        return keyword switch
        {
            "minimum" => order > 0 || (order == 0 && node.Find("exclusiveMinimum") is not { ValueKind: JsonValueKind.True }),
            "maximum" => order < 0 || (order == 0 && node.Find("exclusiveMaximum") is not { ValueKind: JsonValueKind.True }),
            "exclusiveMinimum" => order > 0,
            "exclusiveMaximum" => order < 0,
            _ => bound.Unscaled.IsZero || number.IsMultipleOf(bound),
        };
    }

    private bool HoldsOfArray(SchemaNode node, string keyword, JsonElement k, JsonElement value)
    {
        List<JsonElement> items = [.. value.EnumerateArray()];
        switch (keyword)
        {
            case "minItems":
                return items.Count >= node.Count(keyword, k);
            case "maxItems":
                return items.Count <= node.Count(keyword, k);
            case "uniqueItems":
                return k.ValueKind != JsonValueKind.True || !items.Where((v, i) => items.Take(i).Any(o => JsonValues.Equals(o, v))).Any();
            case "prefixItems":
            case "items" when k.ValueKind == JsonValueKind.Array:
                return k.EnumerateArray().Zip(items).Select((p, i) => IsValid(node, p.First, p.Second, keyword, $"{i}")).All(v => v);
            case "items" or "additionalItems":
                string before = keyword == "items" ? "prefixItems" : "items";
                int skip = node.Find(before) is { ValueKind: JsonValueKind.Array } prefix ? prefix.GetArrayLength() : keyword == "items" ? 0 : items.Count;
                return items.Skip(skip).All(i => IsValid(node, k, i, keyword));
            case "contains":
                int count = items.Count(i => IsValid(node, k, i, keyword));
                return count >= (node.Find("minContains") is { } min ? node.Count("minContains", min) : 1)
                    && count <= (node.Find("maxContains") is { } max ? node.Count("maxContains", max) : int.MaxValue);
            default:
                return true;
        }
    }

    private bool HoldsOfObject(SchemaNode node, string keyword, JsonElement k, JsonElement value) => keyword switch
    {
        "minProperties" => value.EnumerateObject().Count() >= node.Count(keyword, k),
        "maxProperties" => value.EnumerateObject().Count() <= node.Count(keyword, k),
        "required" => k.ValueKind != JsonValueKind.Array || k.EnumerateArray().All(n => value.TryGetProperty(n.GetString()!, out _)),
        "properties" => k.EnumerateObject().All(p => !value.TryGetProperty(p.Name, out JsonElement v) || IsValid(node, p.Value, v, keyword, p.Name)),
        "patternProperties" => k.EnumerateObject().All(p => value.EnumerateObject()
            .All(v => !StringLanguage.Matches(node, keyword, p.Name, v.Name) || IsValid(node, p.Value, v.Value, keyword, p.Name))),
        "additionalProperties" => value.EnumerateObject().All(v => IsNamed(node, v.Name) || IsValid(node, k, v.Value, keyword)),
        "propertyNames" => value.EnumerateObject().All(v => IsValid(node, k, JsonSerializer.SerializeToElement(v.Name, StringContext.Default.String), keyword)),
        "dependentRequired" or "dependentSchemas" or "dependencies" => k.EnumerateObject().All(d => !value.TryGetProperty(d.Name, out _)
            || (d.Value.ValueKind == JsonValueKind.Array
                ? d.Value.EnumerateArray().All(n => value.TryGetProperty(n.GetString()!, out _))
                : IsValid(node, d.Value, value, keyword, d.Name))),
        _ => true,
    };

    private static bool IsNamed(SchemaNode node, string name) => (node.Find("properties") is { } named && named.TryGetProperty(name, out _))
        || (node.Find("patternProperties") is { } patterns && patterns.EnumerateObject().Any(p => StringLanguage.Matches(node, "patternProperties", p.Name, name)));
}
