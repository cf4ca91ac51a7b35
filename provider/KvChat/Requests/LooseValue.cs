using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KvChat.Requests;

/// <summary>
/// Reads values of property bags, which may be what was meant, or what became of it on the way through JSON or a configuration file: a
/// <see cref="JsonElement"/>, a <see cref="JsonNode"/> or a string.
/// </summary>
internal static class LooseValue
{
    private const int LongestShown = 200;

    /// <summary>A number.</summary>
    /// <exception cref="ArgumentException">The value is none.</exception>
    public static double Number(string name, object? value) => Plain(value) switch
    {
        double number => number,
        long number => number,
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => throw Wrong(name, value, "a number"),
    };

    /// <summary>A whole number.</summary>
    /// <exception cref="ArgumentException">The value is none.</exception>
    public static int Integer(string name, object? value)
    {
        double number = Number(name, value);
        return number == Math.Floor(number) && Math.Abs(number) <= int.MaxValue ? (int)number : throw Wrong(name, value, "a whole number");
    }

    /// <summary>True or false.</summary>
    /// <exception cref="ArgumentException">The value is neither.</exception>
    public static bool Boolean(string name, object? value) => Plain(value) switch
    {
        bool truth => truth,
        string text when bool.TryParse(text, out bool truth) => truth,
        _ => throw Wrong(name, value, "true or false"),
    };

    /// <summary>A text.</summary>
    /// <exception cref="ArgumentException">The value is none.</exception>
    public static string Text(string name, object? value) => Plain(value) as string ?? throw Wrong(name, value, "a text");

    /// <summary>One of some words; case, <c>_</c> and <c>-</c> do not count.</summary>
    /// <exception cref="ArgumentException">The value is none of them.</exception>
    public static T Word<T>(string name, object? value, params ReadOnlySpan<(string Word, T Meaning)> words)
    {
        if (value is T typed)
            return typed;
        string? said = (Plain(value) as string)?.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        foreach ((string word, T meaning) in words)
        {
            if (string.Equals(word.Replace("_", "", StringComparison.Ordinal), said, StringComparison.OrdinalIgnoreCase))
                return meaning;
        }

        List<string> names = [];
        foreach ((string word, _) in words)
            names.Add(word);
        throw Wrong(name, value, $"one of: {string.Join(", ", names)}");
    }

    /// <summary>Whether the value says nothing: null, or JSON's null.</summary>
    public static bool IsNull(object? value) => value is null or JsonElement { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined };

    /// <summary>The error of a value that cannot be used.</summary>
    public static ArgumentException Wrong(string name, object? value, string right) =>
        new($"AdditionalProperties[\"{name}\"] is {Shown(value)}; it must be {right}.", name);

    /// <summary>The value as a bool, a long, a double or a string; null where it is nothing of the kind.</summary>
    private static object? Plain(object? value) => value switch
    {
        JsonNode node => Element(node),
        JsonElement { ValueKind: JsonValueKind.String } element => TextOf(element),
        JsonElement { ValueKind: JsonValueKind.True or JsonValueKind.False } element => element.GetBoolean(),
        JsonElement { ValueKind: JsonValueKind.Number } element => element.TryGetInt64(out long whole) ? whole : element.GetDouble(),
        string or bool or double or long => value,
        float number => (double)number,
        decimal number => (double)number,
        byte or sbyte or short or ushort or int or uint => Convert.ToInt64(value, CultureInfo.InvariantCulture),
        ulong number => (double)number,
        Enum word => word.ToString(),
        _ => null,
    };

    /// <summary>A plain value of JSON; arrays and objects are none, however deep.</summary>
    private static object? Element(JsonNode node) => node is JsonValue value ? Plain(JsonSerializer.SerializeToElement(value, NodeJson.Default.JsonNode)) : null;

    /// <summary>The text, or null where it has half of a surrogate pair, which no text may have.</summary>
    private static string? TextOf(JsonElement element)
    {
        try
        {
            return element.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string Shown(object? value)
    {
        string text = value switch
        {
            null => "null",
            JsonElement { ValueKind: JsonValueKind.Array or JsonValueKind.Object } or JsonArray or JsonObject => "an array or object of JSON",
            JsonElement element => element.GetRawText(),
            JsonNode node => node.ToJsonString(),
            string said => $"\"{said}\"",
            _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
        };
        return text.Length <= LongestShown ? text : $"{text.AsSpan(0, LongestShown)}… ({text.Length} characters)";
    }
}
