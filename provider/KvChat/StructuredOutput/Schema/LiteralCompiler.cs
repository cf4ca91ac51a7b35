using System.Text.Json;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Values that a schema spells out, with the freedom that JSON leaves in writing them: white space, escapes and zeros.</summary>
internal sealed class LiteralCompiler(ConstraintOptions options)
{
    private const int DeepestValue = 100;

    /// <summary>Any of several values.</summary>
    public Piece AnyOf(SchemaNode node, IReadOnlyList<JsonElement> values)
    {
        List<Piece> pieces = [];
        string[] strings = [.. values.Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!).Distinct(StringComparer.Ordinal)];
        if (strings.Length > 0)
            pieces.Add(JsonLexemes.Strings(strings));
        pieces.AddRange(values.Where(v => v.ValueKind != JsonValueKind.String).Select(v => One(node, v, 0)));
        return pieces.Count == 1 ? pieces[0] : new Choice(pieces);
    }

    private Piece One(SchemaNode node, JsonElement value, int depth)
    {
        if (depth > DeepestValue)
            throw node.Unsupported("enum", $"a value is nested more than {DeepestValue} deep");
        return value.ValueKind switch
        {
            JsonValueKind.Null => JsonLexemes.Null,
            JsonValueKind.True => JsonLexemes.True,
            JsonValueKind.False => JsonLexemes.False,
            JsonValueKind.String => JsonLexemes.Strings([value.GetString()!]),
            JsonValueKind.Number => JsonLexemes.Plain(NumberLanguage.EqualTo(node.Number("enum", value), options.IntegersWithPoint || value.GetRawText().Contains('.', StringComparison.Ordinal))),
            JsonValueKind.Array => new ArrayPiece(new ArrayShape
            {
                Prefix = [.. value.EnumerateArray().Select(v => new ArrayItem(One(node, v, depth + 1), null))],
                Rest = null,
                Min = value.GetArrayLength(),
            }),
            _ => new ObjectPiece(new ObjectShape
            {
                Named = [.. value.EnumerateObject().DistinctBy(p => p.Name).Select(p => new NamedProperty(JsonLexemes.Strings([p.Name]), One(node, value.GetProperty(p.Name), depth + 1), true))],
                Order = options.PropertyOrder,
            }),
        };
    }
}
