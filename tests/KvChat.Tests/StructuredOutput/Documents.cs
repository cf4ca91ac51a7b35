using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvChat.StructuredOutput;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Documents as a model would write them, and whether a constraint takes them.</summary>
internal static class Documents
{
    public static bool Accepts(Constraint constraint, ReadOnlySpan<byte> document)
    {
        ConstraintMatcher matcher = constraint.Match();
        foreach (byte b in document)
        {
            if (!matcher.TryAdvance(b))
                return false;
        }

        return matcher.IsComplete;
    }

    public static bool Accepts(Constraint constraint, string document) => Accepts(constraint, Encoding.UTF8.GetBytes(document));

    /// <summary>The instance as one line of JSON, its properties in the order in which the schema first mentions their names.</summary>
    public static byte[] Write(JsonElement schema, JsonElement instance, bool spaces, bool asciiOnly)
    {
        var order = new Dictionary<string, int>(StringComparer.Ordinal);
        Collect(schema, schema, order, []);
        using var stream = new MemoryStream();
        using (var writer = new StreamWriter(stream, new UTF8Encoding(false)))
            Write(writer, instance, order, spaces, asciiOnly ? JavaScriptEncoder.Default : JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        return stream.ToArray();
    }

    private static void Write(StreamWriter writer, JsonElement value, Dictionary<string, int> order, bool spaces, JavaScriptEncoder encoder)
    {
        string comma = spaces ? ", " : ",", colon = spaces ? ": " : ":";
        switch (value.ValueKind)
        {
            case JsonValueKind.Array:
                writer.Write('[');
                int index = 0;
                foreach (JsonElement item in value.EnumerateArray())
                {
                    writer.Write(index++ > 0 ? comma : "");
                    Write(writer, item, order, spaces, encoder);
                }

                writer.Write(']');
                break;
            case JsonValueKind.Object:
                writer.Write('{');
                int count = 0;
                foreach (JsonProperty p in value.EnumerateObject().OrderBy(p => order.GetValueOrDefault(p.Name, int.MaxValue)))
                {
                    writer.Write(count++ > 0 ? comma : "");
                    writer.Write('"' + encoder.Encode(p.Name) + '"' + colon);
                    Write(writer, p.Value, order, spaces, encoder);
                }

                writer.Write('}');
                break;
            case JsonValueKind.String:
                writer.Write('"' + encoder.Encode(value.GetString()!) + '"');
                break;
            default:
                writer.Write(value.GetRawText());
                break;
        }
    }

    /// <summary>Schemas are read as a person would: from the top, references where they stand.</summary>
    private static void Collect(JsonElement root, JsonElement schema, Dictionary<string, int> order, HashSet<string> seen)
    {
        if (schema.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in schema.EnumerateArray())
                Collect(root, item, order, seen);
        }

        if (schema.ValueKind != JsonValueKind.Object)
            return;
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            if (keyword.Name is "$defs" or "definitions")
                continue;
            if (keyword.Name is "properties" or "const" && keyword.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty p in keyword.Value.EnumerateObject())
                    order.TryAdd(p.Name, order.Count);
            }

            if (keyword is { Name: "$ref", Value.ValueKind: JsonValueKind.String } && keyword.Value.GetString()!.StartsWith("#/", StringComparison.Ordinal) && seen.Add(keyword.Value.GetString()!))
            {
                JsonElement at = root;
                if (keyword.Value.GetString()!.Split('/').Skip(1).All(step => at.ValueKind == JsonValueKind.Object && at.TryGetProperty(step, out at)))
                    Collect(root, at, order, seen);
            }

            Collect(root, keyword.Value, order, seen);
        }
    }
}
