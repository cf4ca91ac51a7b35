using System.Text.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// <c>unevaluatedProperties</c> and <c>unevaluatedItems</c> where what is evaluated does not depend on the value: beside plain keywords,
/// <c>allOf</c> and references.
/// </summary>
internal static class Unevaluated
{
    public static void Read(KeywordReader reader, string keyword, JsonElement value)
    {
        SchemaNode schema = reader.Child(keyword, value);
        if (schema.IsTrue)
            return;
        var found = new Evaluated();
        Collect(reader, reader.Node, keyword, found, []);
        var claim = new Claim(schema, true);
        var open = new Claim(reader.Expander.Document.True, true);
        if (found.Everything)
            return;
        if (keyword == "unevaluatedItems")
            reader.Facts.Items.Add(new ItemRule([.. Enumerable.Repeat(open, found.Items)], claim));
        else
            reader.Facts.Properties.Add(new PropertyRule(reader.Node, found.Names.ToDictionary(n => n, _ => open, StringComparer.Ordinal), [.. found.Patterns.Select(p => (p, open))], claim));
    }

    private static void Collect(KeywordReader reader, SchemaNode node, string keyword, Evaluated found, HashSet<SchemaNode> seen)
    {
        if (!seen.Add(node) || node.Element.ValueKind != JsonValueKind.Object)
            return;
        SchemaDocument document = reader.Expander.Document;
        bool items = keyword == "unevaluatedItems";
        foreach (JsonProperty k in node.Element.EnumerateObject())
        {
            switch (k.Name)
            {
                case "$ref":
                    Collect(reader, document.Resolve(node, node.Text(k.Name, k.Value), k.Name), keyword, found, seen);
                    break;
                case "allOf":
                    int index = 0;
                    foreach (JsonElement child in node.Array(k.Name, k.Value).EnumerateArray())
                        Collect(reader, document.Child(node, child, k.Name, $"{index++}"), keyword, found, seen);
                    break;
                case "anyOf" or "oneOf" or "if" or "$dynamicRef" or "$recursiveRef":
                case "dependentSchemas" when !items:
                case "contains" when items:
                    throw reader.Node.Unsupported(keyword, $"what is evaluated depends on the value, because of '{k.Name}' at '#{node.Pointer}'");
                case "additionalProperties" when !items:
                case "items" or "additionalItems" when items && k.Value.ValueKind != JsonValueKind.Array:
                    found.Everything = true;
                    break;
                case "prefixItems" or "items" when items:
                    found.Items = Math.Max(found.Items, node.Array(k.Name, k.Value).GetArrayLength());
                    break;
                case "properties" when !items:
                    found.Names.UnionWith(node.Map(k.Name, k.Value).EnumerateObject().Select(p => p.Name));
                    break;
                case "patternProperties" when !items:
                    found.Patterns.UnionWith(node.Map(k.Name, k.Value).EnumerateObject().Select(p => p.Name));
                    break;
                default:
                    found.Everything |= k.Name == keyword && node != reader.Node;
                    break;
            }
        }
    }

    private sealed class Evaluated
    {
        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);

        public HashSet<string> Patterns { get; } = new(StringComparer.Ordinal);

        public int Items { get; set; }

        public bool Everything { get; set; }
    }
}
