using System.Text.Json;
using System.Text.Json.Nodes;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Random schemas over nearly all keywords that are enforced, negations among them, for a validator that knows them all.</summary>
internal sealed class WideSchemaGenerator(int seed)
{
    private readonly Random random = new(seed);

    /// <summary>
    /// Whether a part may be negated, or be used from where it is: validators check formats less strictly or not at all, so there
    /// what is no format to us may be one to them.
    /// </summary>
    private bool withoutFormats;

    private static readonly string[] Names = ["id", "name", "kind", "tags", "größe", "a b", "x-1", "x-2"];

    private static readonly string[] Patterns = ["^[a-z]+$", "[0-9]{2}", "^(foo|bar)-[0-9]{1,4}$", "^(?!x)[w-z]{2,}$", "^[A-Z][a-z]{2,8}( [A-Z])?", "a.c", "^[^a-f]{0,4}$"];

    private static readonly string[] Formats = ["date", "email", "ipv4", "ipv6", "uuid", "time", "date-time", "duration", "json-pointer", "uri"];

    public JsonElement Next()
    {
        JsonObject root = random.Next(4) == 0 ? Any(3) : Object(3);
        withoutFormats = true;
        root["$defs"] = new JsonObject { ["tree"] = Tree(), ["leaf"] = Any(0) };
        return JsonSerializer.SerializeToElement<JsonNode>(root);
    }

    private JsonObject Any(int depth) => random.Next(depth > 0 ? 18 : 8) switch
    {
        0 or 1 => String(),
        2 => Number("integer"),
        3 => Number("number"),
        4 => new JsonObject { ["type"] = new JsonArray("boolean", "null") },
        5 => new JsonObject { ["enum"] = new JsonArray("red", 3, null, true, 1.5, "a\nb", new JsonArray(1, "x"), new JsonObject { ["k"] = 2 }) },
        6 => new JsonObject { ["const"] = random.Next(2) == 0 ? "fixed" : -4.25 },
        7 => new JsonObject { ["type"] = new JsonArray("string", "integer"), ["maxLength"] = 4, ["maximum"] = 50 },
        8 or 9 => Object(depth - 1),
        10 or 11 => Array(depth - 1),
        12 => new JsonObject { ["$ref"] = random.Next(2) == 0 ? "#/$defs/tree" : "#/$defs/leaf" },
        13 => new JsonObject { ["anyOf"] = new JsonArray(Any(depth - 1), Any(depth - 1)) },
        14 => new JsonObject { ["oneOf"] = WithoutFormats(() => new JsonArray(Any(depth - 1), Any(depth - 1))) },
        15 => new JsonObject { ["allOf"] = new JsonArray(Object(0), Object(0)) },
        16 => new JsonObject { ["not"] = WithoutFormats(() => Any(0)), ["type"] = new JsonArray("string", "integer", "boolean") },
        _ => Condition(),
    };

    private T WithoutFormats<T>(Func<T> make)
    {
        bool before = withoutFormats;
        withoutFormats = true;
        T made = make();
        withoutFormats = before;
        return made;
    }

    private JsonObject Condition() => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject { ["kind"] = new JsonObject { ["enum"] = new JsonArray("a", "b", "c") }, ["id"] = Number("integer"), ["name"] = String() },
        ["required"] = new JsonArray("kind"),
        ["if"] = new JsonObject { ["properties"] = new JsonObject { ["kind"] = new JsonObject { ["const"] = "a" } } },
        ["then"] = new JsonObject { ["required"] = new JsonArray("id") },
        ["else"] = new JsonObject { ["required"] = new JsonArray("name") },
    };

    private JsonObject String()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (random.Next(6))
        {
            case 0:
                schema["pattern"] = Patterns[random.Next(Patterns.Length)];
                break;
            case 1 when !withoutFormats:
                schema["format"] = Formats[random.Next(Formats.Length)];
                break;
            case 2:
                schema["minLength"] = random.Next(5);
                schema["maxLength"] = 5 + random.Next(10);
                break;
            case 3:
                schema["pattern"] = Patterns[random.Next(2)];
                schema["minLength"] = 2 + random.Next(4);
                schema["maxLength"] = 7 + random.Next(3);
                break;
            case 4:
                schema["not"] = new JsonObject { ["enum"] = new JsonArray("a", "the", "") };
                break;
            default:
                break;
        }

        return schema;
    }

    private JsonObject Number(string type)
    {
        var schema = new JsonObject { ["type"] = type };
        int low = random.Next(-200, 200);
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + 1 + random.Next(2, 3000);
        if (random.Next(4) == 0)
            schema["multipleOf"] = type == "integer" ? 1 + random.Next(20) : 0.25;
        return schema;
    }

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Any(depth) };
        if (random.Next(2) == 0)
            schema["minItems"] = random.Next(3);
        if (random.Next(2) == 0)
            schema["maxItems"] = 3 + random.Next(3);
        switch (random.Next(6))
        {
            case 0:
                schema["prefixItems"] = new JsonArray(Any(0), Any(0));
                break;
            case 1:
                schema["contains"] = new JsonObject { ["type"] = "integer" };
                schema["items"] = new JsonObject { ["type"] = new JsonArray("integer", "boolean") };
                break;
            case 2:
                schema["items"] = new JsonObject { ["enum"] = new JsonArray("a", "b", "c", 1, null) };
                schema["uniqueItems"] = true;
                break;
            default:
                break;
        }

        return schema;
    }

    private JsonObject Object(int depth)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        foreach (string name in Names.Where(_ => random.Next(3) == 0))
        {
            properties[name] = Any(depth);
            if (random.Next(2) == 0)
                required.Add(name);
        }

        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
        switch (random.Next(7))
        {
            case 0:
                schema["additionalProperties"] = false;
                break;
            case 1:
                schema["additionalProperties"] = String();
                break;
            case 2:
                schema["patternProperties"] = new JsonObject { ["^x-"] = Number("integer"), ["1$"] = new JsonObject { ["minimum"] = 5 } };
                schema["additionalProperties"] = false;
                break;
            case 3:
                schema["propertyNames"] = new JsonObject { ["maxLength"] = 5 };
                break;
            case 4:
                schema["dependentRequired"] = new JsonObject { ["id"] = new JsonArray("name") };
                schema["maxProperties"] = 4;
                break;
            case 5:
                schema["additionalProperties"] = false;
                schema["minProperties"] = Math.Min(properties.Count, 2);
                break;
            default:
                break;
        }

        return schema;
    }

    private JsonObject Tree() => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject { ["value"] = Any(0), ["children"] = new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["$ref"] = "#/$defs/tree" }, ["maxItems"] = 3 } },
        ["required"] = new JsonArray("value"),
        ["additionalProperties"] = false,
    };
}
