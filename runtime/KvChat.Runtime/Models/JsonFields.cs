using System.Text.Json;

namespace KvChat.Runtime.Models;

/// <summary>Fields of a JSON object in a model's folder, checked against their kinds and ranges. A field that is null counts as missing.</summary>
/// <param name="element">The object.</param>
/// <param name="file">Name of the file, for errors.</param>
/// <param name="path">Where the object stands in the file; empty for the whole.</param>
internal sealed class JsonFields(JsonElement element, string file, string path = "")
{
    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether the field is there and null, for fields where that says something else than a missing one.</summary>
    public bool IsNull(string name) => Object().TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Null;

    /// <summary>An object in a field.</summary>
    public JsonFields Required(string name) => Optional(name) ?? throw Error(name, "is missing; it must be an object.");

    /// <summary>An object in a field, or null where the field is missing.</summary>
    public JsonFields? Optional(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new JsonFields(value, file, PathOf(name)),
        { } value => throw Wrong(name, value, "an object"),
    };

    /// <summary>A whole number; required where the fallback is null.</summary>
    public int Int32(string name, int? fallback, int least, int most)
    {
        if (Find(name) is not { } value)
            return fallback ?? throw Error(name, $"is missing; it must be a whole number from {least} to {most}.");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, $"a whole number from {least} to {most}");
    }

    /// <summary>A number; required where the fallback is null.</summary>
    public double Number(string name, double? fallback, double least, double most)
    {
        if (Find(name) is not { } value)
            return fallback ?? throw Error(name, $"is missing; it must be a number from {least} to {most}.");
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, $"a number from {least} to {most}");
    }

    public bool Flag(string name, bool fallback) => Find(name) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(name, value, "true or false"),
    };

    public string? Text(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => String(name, value),
        { } value => throw Wrong(name, value, "a string"),
    };

    /// <summary>A list of numbers, or null where the field is missing.</summary>
    public float[]? Floats(string name, float least, float most) => List(name, value =>
        value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, $"a list of numbers from {least} to {most}"));

    /// <summary>A list of whole numbers, or null where the field is missing; one number counts as a list of one.</summary>
    public int[]? Int32s(string name, int least, int most) => List(name, value =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most
            ? number
            : throw Wrong(name, value, $"whole numbers from {least} to {most}"));

    /// <summary>A list of strings, or null where the field is missing.</summary>
    public string[]? Texts(string name) => List(name, value => value.ValueKind == JsonValueKind.String ? String(name, value) : throw Wrong(name, value, "a list of strings"));

    /// <summary>All fields of this object, which must be strings.</summary>
    public IEnumerable<(string Name, string Value)> Texts()
    {
        foreach (JsonProperty property in Object().EnumerateObject())
        {
            yield return property.Value.ValueKind == JsonValueKind.String
                ? (property.Name, String(property.Name, property.Value))
                : throw Wrong(ModelFileException.Printable(property.Name), property.Value, "a string");
        }
    }

    /// <summary>The field as it stands; null where it is missing or null.</summary>
    public JsonElement? Find(string name) => Object().TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public ModelFileException Error(string name, string problem) => new(PathOf(name), null, problem, file);

    public ModelFileException Wrong(string name, JsonElement value, string right) => Error(name, $"is {ModelFileException.Printable(value.GetRawText())}; it must be {right}.");

    private T[]? List<T>(string name, Func<JsonElement, T> read) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Array } value => [.. value.EnumerateArray().Select(read)],
        { } value => [read(value)],
    };

    private string String(string name, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw new ModelFileException(PathOf(name), null, "is a string that is no Unicode text.", file, error);
        }
    }

    private JsonElement Object() => element.ValueKind == JsonValueKind.Object
        ? element
        : throw new ModelFileException(path.Length == 0 ? "file" : path, null, "must be a JSON object.", file);

    private string PathOf(string name) => path.Length == 0 ? name : $"{path}.{name}";
}
