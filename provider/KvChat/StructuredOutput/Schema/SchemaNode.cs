using System.Text.Json;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>One schema within a document. Equal places of one <see cref="SchemaDocument"/> are one object.</summary>
internal sealed class SchemaNode(int id, JsonElement element, JsonElement place, string pointer, string baseUri)
{
    private static readonly string[] Annotations =
    [
        "title", "description", "default", "examples", "$comment", "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "$vocabulary",
        "readOnly", "writeOnly", "deprecated", "contentEncoding", "contentMediaType", "contentSchema",
    ];

    private HashSet<string>? listed;

    public int Id => id;

    /// <summary>Its keywords; of a reference in the drafts before 2019-09 the reference alone, since whatever stands beside it is ignored there.</summary>
    public JsonElement Element => element;

    /// <summary>What stands in the document, through which pointers lead.</summary>
    public JsonElement Place => place;

    /// <summary>JSON pointer from the root of the document.</summary>
    public string Pointer => pointer;

    /// <summary>The URI against which references in it are resolved.</summary>
    public string BaseUri => baseUri;

    /// <summary>Whether it admits every value by its form alone.</summary>
    public bool IsTrue { get; } = element.ValueKind == JsonValueKind.True
        || (element.ValueKind == JsonValueKind.Object && element.EnumerateObject().All(p => System.Array.IndexOf(Annotations, p.Name) >= 0));

    public bool IsFalse => element.ValueKind == JsonValueKind.False;

    public bool Has(string keyword) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(keyword, out _);

    public JsonElement? Find(string keyword) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(keyword, out JsonElement value) ? value : null;

    /// <summary>Whether a list under a keyword, such as <c>enum</c>, has an equal value. Strings, of which there may be thousands, are looked up.</summary>
    public bool Lists(string keyword, JsonElement list, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            return Array(keyword, list).EnumerateArray().Any(v => JsonValues.Equals(v, value));
        listed ??= [.. Array(keyword, list).EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!)];
        return listed.Contains(value.GetString()!);
    }

    public ConstraintSyntaxException Error(string keyword, string message) => new("JSON schema", $"#{pointer}/{keyword}", message);

    public SchemaNotSupportedException Unsupported(string keyword, string reason) => new(keyword, pointer, reason);

    /// <summary>A count such as <c>maxItems</c>; what is beyond an int is as good as unbounded.</summary>
    public int Count(string keyword, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number && JsonDecimal.TryParse(value) is { IsInteger: true, Unscaled.Sign: >= 0 } number)
            return (int)System.Numerics.BigInteger.Min(number.Unscaled, int.MaxValue);
        throw Error(keyword, $"the value is {Shown(value)}; it must be an integer of at least 0.");
    }

    public JsonDecimal Number(string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number)
            throw Error(keyword, $"the value is {Shown(value)}; it must be a number.");
        return JsonDecimal.TryParse(value) ?? throw Unsupported(keyword, $"the number {Shown(value)} is too long; exponents up to 400 are supported");
    }

    public string Text(string keyword, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw Error(keyword, $"the value is {Shown(value)}; it must be a string.");

    public JsonElement Array(string keyword, JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? value
        : throw Error(keyword, $"the value is {Shown(value)}; it must be an array.");

    public JsonElement Map(string keyword, JsonElement value) => value.ValueKind == JsonValueKind.Object
        ? value
        : throw Error(keyword, $"the value is {Shown(value)}; it must be an object.");

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "...";
    }
}
