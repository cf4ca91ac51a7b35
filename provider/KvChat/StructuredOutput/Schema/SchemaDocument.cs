using System.Text.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>A schema document: its nodes, and where references lead. Nothing is ever fetched from elsewhere.</summary>
internal sealed class SchemaDocument
{
    private const int DeepestSchema = 500;

    /// <summary>The keywords that hold schemas.</summary>
    private static readonly Dictionary<string, ChildForm> Keywords = new(StringComparer.Ordinal)
    {
        ["additionalProperties"] = ChildForm.Schema, ["additionalItems"] = ChildForm.Schema, ["propertyNames"] = ChildForm.Schema, ["contains"] = ChildForm.Schema,
        ["not"] = ChildForm.Schema, ["if"] = ChildForm.Schema, ["then"] = ChildForm.Schema, ["else"] = ChildForm.Schema, ["contentSchema"] = ChildForm.Schema,
        ["unevaluatedItems"] = ChildForm.Schema, ["unevaluatedProperties"] = ChildForm.Schema, ["items"] = ChildForm.Schema | ChildForm.List,
        ["allOf"] = ChildForm.List, ["anyOf"] = ChildForm.List, ["oneOf"] = ChildForm.List, ["prefixItems"] = ChildForm.List,
        ["properties"] = ChildForm.Map, ["patternProperties"] = ChildForm.Map, ["$defs"] = ChildForm.Map, ["definitions"] = ChildForm.Map,
        ["dependentSchemas"] = ChildForm.Map, ["dependencies"] = ChildForm.Map,
    };

    private static readonly string[] EarlyDrafts = ["/draft-03/", "/draft-04/", "/draft-06/", "/draft-07/"];

    private readonly bool referencesStandAlone;
    private readonly Dictionary<string, SchemaNode> nodes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> resources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> anchors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<string>> dynamicAnchors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> bases = new(StringComparer.Ordinal);

    /// <summary>How a keyword holds schemas.</summary>
    [Flags]
    private enum ChildForm
    {
        None = 0,
        Schema = 1,
        List = 2,
        Map = 4,
    }

    public SchemaDocument(JsonElement root)
    {
        if (root.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw new ConstraintSyntaxException("JSON schema", "#", $"the value is of kind {root.ValueKind}; a schema is an object, true or false.");
        referencesStandAlone = CheckDialect(root);
        Scan(root, "", "", 0);
        Root = Node(root, "", "");
        True = Node(JsonDocument.Parse("true").RootElement, "(true)", "");
        False = Node(JsonDocument.Parse("false").RootElement, "(false)", "");
    }

    public SchemaNode Root { get; }

    public SchemaNode True { get; }

    public SchemaNode False { get; }

    /// <summary>The schema that stands under a keyword of another, perhaps with a name or index below it.</summary>
    public SchemaNode Child(SchemaNode parent, JsonElement element, params ReadOnlySpan<string> path)
    {
        string pointer = parent.Pointer;
        foreach (string step in path)
            pointer += "/" + Escape(step);
        if (element.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw new ConstraintSyntaxException("JSON schema", "#" + pointer, $"the value is of kind {element.ValueKind}; a schema is an object, true or false.");
        return Node(element, pointer, parent.BaseUri);
    }

    /// <summary>Where <c>$ref</c> leads.</summary>
    /// <exception cref="SchemaNotSupportedException">It leads out of the document, or to nothing.</exception>
    public SchemaNode Resolve(SchemaNode from, string reference, string keyword)
    {
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string path = hash < 0 ? reference : reference[..hash];
        string fragment = hash < 0 ? "" : Uri.UnescapeDataString(reference[(hash + 1)..]);
        string target = path.Length == 0 ? from.BaseUri : Join(from.BaseUri, path);
        if (!resources.TryGetValue(target, out string? pointer))
        {
            // Without a base the document's own name is not known; "#..." then means the root.
            if (target.Length > 0)
                throw from.Unsupported(keyword, $"'{reference}' leads out of the document, and nothing is fetched; put the schema under $defs");
            pointer = "";
        }

        if (fragment.Length == 0 || fragment.StartsWith('/'))
            return At(from, keyword, reference, pointer, fragment);
        return anchors.TryGetValue(target + "#" + fragment, out string? anchored)
            ? nodes[anchored]
            : throw from.Unsupported(keyword, $"there is no anchor '{fragment}' in the document");
    }

    /// <summary>Where <c>$dynamicRef</c> leads, if that does not depend on how one got there.</summary>
    public SchemaNode ResolveDynamic(SchemaNode from, string reference)
    {
        SchemaNode first = Resolve(from, reference, "$dynamicRef");
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string name = hash < 0 ? "" : reference[(hash + 1)..];
        bool isDynamic = name.Length > 0 && first.Find("$dynamicAnchor") is { ValueKind: JsonValueKind.String } a && a.GetString() == name;
        if (isDynamic && dynamicAnchors[name].Count > 1)
            throw from.Unsupported("$dynamicRef", $"'{name}' is the name of {dynamicAnchors[name].Count} dynamic anchors; with one alone it can be resolved");
        return first;
    }

    private SchemaNode At(SchemaNode from, string keyword, string reference, string start, string fragment)
    {
        SchemaNode node = nodes[start];
        JsonElement element = node.Place;
        string pointer = start;
        string baseUri = node.BaseUri;
        foreach (string raw in fragment.Split('/').Skip(1))
        {
            string step = raw.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = element.ValueKind switch
            {
                JsonValueKind.Object => element.TryGetProperty(step, out element),
                JsonValueKind.Array when int.TryParse(step, out int index) && index >= 0 && index < element.GetArrayLength() => (element = element[index]).ValueKind >= 0,
                _ => false,
            };
            if (!found)
                throw from.Unsupported(keyword, $"'{reference}' leads to nothing in the document");
            pointer += "/" + Escape(step);
            baseUri = bases.GetValueOrDefault(pointer, baseUri);
        }

        if (element.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
            throw from.Error(keyword, $"'{reference}' leads to a value of kind {element.ValueKind}; it must lead to a schema.");
        return Node(element, pointer, baseUri);
    }

    private SchemaNode Node(JsonElement element, string pointer, string baseUri)
    {
        if (!nodes.TryGetValue(pointer, out SchemaNode? node))
            nodes[pointer] = node = new SchemaNode(nodes.Count, KeywordsOf(element), element, pointer, bases.GetValueOrDefault(pointer, baseUri));
        return node;
    }

    private JsonElement KeywordsOf(JsonElement element)
    {
        if (!referencesStandAlone || element.ValueKind != JsonValueKind.Object || !element.TryGetProperty("$ref", out JsonElement reference) || reference.ValueKind != JsonValueKind.String)
            return element;
        return JsonDocument.Parse($$"""{"$ref":{{reference.GetRawText()}}}""").RootElement;
    }

    /// <summary>Refuses dialects that nobody knows; returns whether it is one in which <c>$ref</c> stands alone.</summary>
    private static bool CheckDialect(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("$schema", out JsonElement dialect))
            return false;
        string? uri = dialect.ValueKind == JsonValueKind.String ? dialect.GetString() : null;
        if (uri is null || !uri.Contains("json-schema.org/", StringComparison.Ordinal))
            throw new SchemaNotSupportedException("$schema", "", $"the dialect '{uri}' is not one of json-schema.org, so its keywords are not known");
        return EarlyDrafts.Any(d => uri.Contains(d, StringComparison.Ordinal));
    }

    private void Scan(JsonElement element, string pointer, string baseUri, int depth)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            resources.TryAdd(baseUri, pointer); // a document that is true or false
            return;
        }

        if (depth > DeepestSchema)
            throw new SchemaNotSupportedException("$schema", pointer, $"schemas are nested more than {DeepestSchema} deep");
        baseUri = Identify(element, pointer, baseUri);
        bases[pointer] = baseUri;
        Node(element, pointer, baseUri);
        foreach (JsonProperty keyword in element.EnumerateObject())
        {
            string name = keyword.Name;
            // Of several properties with one name the last counts.
            if (Keywords.TryGetValue(name, out ChildForm form) && element.TryGetProperty(name, out JsonElement value))
                ScanChildren(value, form, $"{pointer}/{name}", baseUri, depth + 1);
        }
    }

    private void ScanChildren(JsonElement value, ChildForm form, string pointer, string baseUri, int depth)
    {
        if (form.HasFlag(ChildForm.List) && value.ValueKind == JsonValueKind.Array)
        {
            int index = 0;
            foreach (JsonElement child in value.EnumerateArray())
                Scan(child, $"{pointer}/{index++}", baseUri, depth);
        }
        else if (form.HasFlag(ChildForm.Map) && value.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty child in value.EnumerateObject())
                Scan(child.Value, $"{pointer}/{Escape(child.Name)}", baseUri, depth);
        }
        else if (form.HasFlag(ChildForm.Schema))
        {
            Scan(value, pointer, baseUri, depth);
        }
    }

    private string Identify(JsonElement element, string pointer, string baseUri)
    {
        string? id = Name(element, "$id") ?? Name(element, "id");
        if (id is not null && id.StartsWith('#'))
        {
            anchors.TryAdd(baseUri + id, pointer); // as before draft 2019-09
            id = null;
        }

        if (id is not null || pointer.Length == 0)
        {
            baseUri = id is null ? "" : Join(baseUri, id.TrimEnd('#'));
            resources.TryAdd(baseUri, pointer);
        }

        if (Name(element, "$anchor") is { } anchor)
            anchors.TryAdd(baseUri + "#" + anchor, pointer);
        if (Name(element, "$dynamicAnchor") is { } dynamic)
        {
            anchors.TryAdd(baseUri + "#" + dynamic, pointer);
            if (!dynamicAnchors.TryGetValue(dynamic, out List<string>? places))
                dynamicAnchors[dynamic] = places = [];
            places.Add(pointer);
        }

        return baseUri;
    }

    private static string? Name(JsonElement element, string keyword) =>
        element.TryGetProperty(keyword, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string Join(string baseUri, string reference)
    {
        if (Uri.TryCreate(reference, UriKind.Absolute, out Uri? absolute))
            return absolute.ToString();
        return Uri.TryCreate(baseUri, UriKind.Absolute, out Uri? from) && Uri.TryCreate(from, reference, out Uri? joined)
            ? joined.ToString()
            : Uri.TryCreate(new Uri("schema:///"), baseUri, out from) && Uri.TryCreate(from, reference, out joined) ? joined.ToString() : reference;
    }

    private static string Escape(string step) => step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
}
