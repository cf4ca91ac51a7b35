using System.Text.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>JSON's types as JSON schema counts them, with numbers split, since "integer" is a part of "number".</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    String = 4,
    Array = 8,
    Object = 16,

    /// <summary>Numbers without a fractional part, 1.0 among them.</summary>
    Integer = 32,

    /// <summary>All other numbers.</summary>
    Fraction = 64,
    Number = Integer | Fraction,
    All = Null | Boolean | String | Array | Object | Number,
}

/// <summary>Comparison of JSON values as JSON schema has it: by mathematical value, without regard to the order of properties.</summary>
internal static class JsonValues
{
    public static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.Object => JsonTypes.Object,
        _ => Json.JsonDecimal.TryParse(value) is { IsInteger: false } ? JsonTypes.Fraction : JsonTypes.Integer,
    };

    public static bool Equals(JsonElement a, JsonElement b)
    {
        if (a.ValueKind != b.ValueKind)
            return false;
        return a.ValueKind switch
        {
            JsonValueKind.String => a.GetString() == b.GetString(),
            JsonValueKind.Number => Json.JsonDecimal.TryParse(a) is { } x && Json.JsonDecimal.TryParse(b) is { } y ? x == y : a.GetRawText() == b.GetRawText(),
            JsonValueKind.Array => a.GetArrayLength() == b.GetArrayLength() && a.EnumerateArray().Zip(b.EnumerateArray()).All(p => Equals(p.First, p.Second)),
            JsonValueKind.Object => a.EnumerateObject().Count() == b.EnumerateObject().Count()
                && a.EnumerateObject().All(p => b.TryGetProperty(p.Name, out JsonElement other) && Equals(p.Value, other)),
            _ => true,
        };
    }
}
