using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace KvChat.Tests.StructuredOutput;

/// <summary>
/// A validator of its own, by .NET's regular expressions, dates and numbers, for the keywords of <see cref="SchemaGenerator"/>. An unknown keyword is an
/// error, so that nothing passes unchecked.
/// </summary>
internal static class SmallValidator
{
    public static bool IsValid(JsonElement root, JsonElement value) => IsValid(root, root, value);

    private static bool IsValid(JsonElement root, JsonElement schema, JsonElement value)
    {
        if (schema.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return schema.GetBoolean();
        return schema.EnumerateObject().All(k => Holds(root, schema, k.Name, k.Value, value));
    }

    private static bool Holds(JsonElement root, JsonElement schema, string keyword, JsonElement k, JsonElement value) => keyword switch
    {
        "$defs" => true,
        "type" => k.ValueKind == JsonValueKind.Array ? k.EnumerateArray().Any(t => IsType(t.GetString()!, value)) : IsType(k.GetString()!, value),
        "enum" => k.EnumerateArray().Any(v => JsonElement.DeepEquals(v, value)),
        "const" => JsonElement.DeepEquals(k, value),
        "$ref" => IsValid(root, root.GetProperty("$defs").GetProperty(k.GetString()!.Split('/')[^1]), value),
        "anyOf" => k.EnumerateArray().Any(s => IsValid(root, s, value)),
        "allOf" => k.EnumerateArray().All(s => IsValid(root, s, value)),
        "pattern" => value.ValueKind != JsonValueKind.String || Regex.IsMatch(value.GetString()!, k.GetString()!.Replace("$", "\\z", StringComparison.Ordinal)),
        "format" => value.ValueKind != JsonValueKind.String || IsFormat(k.GetString()!, value.GetString()!),
        "minLength" => value.ValueKind != JsonValueKind.String || value.GetString()!.EnumerateRunes().Count() >= k.GetInt32(),
        "maxLength" => value.ValueKind != JsonValueKind.String || value.GetString()!.EnumerateRunes().Count() <= k.GetInt32(),
        "minimum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() >= k.GetDouble(),
        "maximum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() <= k.GetDouble(),
        "exclusiveMinimum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() > k.GetDouble(),
        "exclusiveMaximum" => value.ValueKind != JsonValueKind.Number || value.GetDouble() < k.GetDouble(),
        "multipleOf" => value.ValueKind != JsonValueKind.Number || IsMultiple(value.GetRawText(), k.GetDecimal()),
        "items" => value.ValueKind != JsonValueKind.Array || value.EnumerateArray().All(i => IsValid(root, k, i)),
        "minItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() >= k.GetInt32(),
        "maxItems" => value.ValueKind != JsonValueKind.Array || value.GetArrayLength() <= k.GetInt32(),
        "properties" => value.ValueKind != JsonValueKind.Object
            || k.EnumerateObject().All(p => !value.TryGetProperty(p.Name, out JsonElement v) || IsValid(root, p.Value, v)),
        "required" => value.ValueKind != JsonValueKind.Object || k.EnumerateArray().All(n => value.TryGetProperty(n.GetString()!, out _)),
        "patternProperties" => value.ValueKind != JsonValueKind.Object
            || k.EnumerateObject().All(p => value.EnumerateObject().All(v => !Regex.IsMatch(v.Name, p.Name) || IsValid(root, p.Value, v.Value))),
        "additionalProperties" => value.ValueKind != JsonValueKind.Object || value.EnumerateObject().All(v => IsNamed(schema, v.Name) || IsValid(root, k, v.Value)),
        _ => throw new InvalidOperationException($"The validator does not know '{keyword}'."),
    };

    private static bool IsNamed(JsonElement schema, string name) => schema.GetProperty("properties").TryGetProperty(name, out _)
        || (schema.TryGetProperty("patternProperties", out JsonElement patterns) && patterns.EnumerateObject().Any(p => Regex.IsMatch(name, p.Name)));

    /// <summary>By long division over the digits, since values have any length.</summary>
    private static bool IsMultiple(string text, decimal divisor)
    {
        (string digits, string fraction) = text.TrimStart('-').Split('.') is [var w, var f] ? (w, f) : (text.TrimStart('-'), "");
        if (digits.Contains('e', StringComparison.OrdinalIgnoreCase))
            return false;
        const int Scale = 2; // divisors have at most two places
        if (fraction.TrimEnd('0').Length > Scale)
            return false;
        return System.Numerics.BigInteger.Parse(digits + fraction.TrimEnd('0').PadRight(Scale, '0'), CultureInfo.InvariantCulture) % new System.Numerics.BigInteger(divisor * 100) == 0;
    }

    private static bool IsType(string type, JsonElement value) => type switch
    {
        "null" => value.ValueKind == JsonValueKind.Null,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "string" => value.ValueKind == JsonValueKind.String,
        "array" => value.ValueKind == JsonValueKind.Array,
        "object" => value.ValueKind == JsonValueKind.Object,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && !value.GetRawText().AsSpan().ContainsAny("."),
        _ => throw new InvalidOperationException(type),
    };

    private static bool IsFormat(string format, string text) => format switch
    {
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
        "time" => IsTime(text),
        "date-time" => text.Length > 10 && IsFormat("date", text[..10]) && IsTime(text[11..]),
        "email" => text.Contains('@', StringComparison.Ordinal) && text.All(c => c is >= ' ' and <= '~'),
        "ipv4" => text.Split('.') is { Length: 4 } parts && parts.All(p => byte.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out byte b) && b.ToString(CultureInfo.InvariantCulture) == p),
        "uuid" => Guid.TryParseExact(text, "D", out _),
        "duration" => Regex.IsMatch(text, @"\AP(?!\z)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?\z"),
        _ => throw new InvalidOperationException(format),
    };

    private static bool IsTime(string text)
    {
        string clock = text.Contains(":60", StringComparison.Ordinal) ? text.Replace(":60", ":59", StringComparison.Ordinal) : text;
        Match match = Regex.Match(clock, @"\A(\d\d:\d\d:\d\d)(\.\d+)?([zZ]|[+-]\d\d:\d\d)\z");
        return match.Success && TimeOnly.TryParseExact(match.Groups[1].ValueSpan, "HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out _)
            && (match.Groups[3].Length == 1 || TimeOnly.TryParseExact(match.Groups[3].ValueSpan[1..], "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out _));
    }

    /// <summary>Whether the bytes are one JSON value that .NET reads, in correct UTF-8.</summary>
    public static JsonElement? TryParse(ReadOnlySpan<byte> document)
    {
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(document);
            return JsonDocument.Parse(document.ToArray()).RootElement;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null;
        }
    }
}
