using System.Text.Json;
using System.Text.Json.Nodes;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Random schemas such as people write, over the keywords that <see cref="SmallValidator"/> checks.</summary>
internal sealed class SchemaGenerator(int seed)
{
    private static readonly string[] Patterns = ["^[a-z]+$", "^[A-Z][a-z]{2,8}$", "[0-9]{3}", "^(foo|bar)-\\d{1,4}$", "^\\S+@\\S+$", "^[^\"\\\\]*$", "^(?!x)[w-z]{2,}$", "^[ -~]{2,5}$", "^é*$"];

    private static readonly string[] Formats = ["date", "time", "date-time", "email", "ipv4", "uuid", "duration"];

    private static readonly string[] Names = ["id", "name", "value", "tags", "items", "a b", "größe", "x\"y", "type", "count"];

    private readonly Random random = new(seed);

    public JsonElement Next()
    {
        JsonObject root = Object(3);
        root["$defs"] = new JsonObject { ["node"] = Object(1, recursive: true), ["leaf"] = String() };
        return JsonSerializer.SerializeToElement<JsonNode>(root);
    }

    private JsonNode Schema(int depth) => random.Next(depth > 0 ? 14 : 8) switch
    {
        0 or 1 => String(),
        2 => Integer(),
        3 => Number(),
        4 => new JsonObject { ["type"] = "boolean" },
        5 => new JsonObject { ["enum"] = new JsonArray("red", "green", 3, null, true, 1.5, "a\nb") },
        6 => new JsonObject { ["const"] = random.Next(2) == 0 ? "fixed" : 42 },
        7 => new JsonObject { ["type"] = new JsonArray("null", "integer") },
        8 or 9 => Object(depth - 1),
        10 => Array(depth - 1),
        11 => new JsonObject { ["anyOf"] = new JsonArray(Schema(depth - 1), Schema(depth - 1)) },
        12 => new JsonObject { ["$ref"] = random.Next(2) == 0 ? "#/$defs/node" : "#/$defs/leaf" },
        _ => new JsonObject { ["allOf"] = new JsonArray(Object(0), Object(0)) },
    };

    private JsonObject String()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (random.Next(5))
        {
            case 0:
                schema["pattern"] = Patterns[random.Next(Patterns.Length)];
                break;
            case 1:
                schema["format"] = Formats[random.Next(Formats.Length)];
                break;
            case 2:
                schema["minLength"] = random.Next(5);
                schema["maxLength"] = 5 + random.Next(10);
                break;
            case 3:
                schema["pattern"] = "^[a-z]+$";
                schema["minLength"] = random.Next(6);
                schema["maxLength"] = 6 + random.Next(3);
                break;
            default:
                break;
        }

        return schema;
    }

    private JsonObject Integer()
    {
        int low = random.Next(-200, 200);
        return random.Next(4) switch
        {
            0 => new JsonObject { ["type"] = "integer" },
            1 => new JsonObject { ["type"] = "integer", ["minimum"] = low, ["maximum"] = low + random.Next(3000) },
            2 => new JsonObject { ["type"] = "integer", ["exclusiveMinimum"] = low },
            _ => new JsonObject { ["type"] = "integer", ["multipleOf"] = 1 + random.Next(20), ["maximum"] = low + 100 },
        };
    }

    private JsonObject Number() => random.Next(3) switch
    {
        0 => new JsonObject { ["type"] = "number" },
        1 => new JsonObject { ["type"] = "number", ["minimum"] = -0.5, ["exclusiveMaximum"] = random.Next(1, 1000) / 8.0 },
        _ => new JsonObject { ["type"] = "number", ["multipleOf"] = 0.25 },
    };

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Schema(depth) };
        if (random.Next(2) == 0)
            schema["minItems"] = random.Next(3);
        schema["maxItems"] = 3 + random.Next(3);
        return schema;
    }

    private JsonObject Object(int depth, bool recursive = false)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        foreach (string name in Names.Where(_ => random.Next(3) == 0))
        {
            properties[name] = Schema(depth);
            if (random.Next(2) == 0)
                required.Add(name);
        }

        if (recursive)
            properties["child"] = new JsonObject { ["anyOf"] = new JsonArray(new JsonObject { ["$ref"] = "#/$defs/node" }, new JsonObject { ["type"] = "null" }) };
        var schema = new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required };
        switch (random.Next(4))
        {
            case 0:
                schema["additionalProperties"] = false;
                break;
            case 1:
                schema["additionalProperties"] = String();
                break;
            case 2:
                schema["patternProperties"] = new JsonObject { ["^x-"] = Integer() };
                schema["additionalProperties"] = false;
                break;
            default:
                break;
        }

        return schema;
    }
}
