using System.Text.Json;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>Arrays out of facts.</summary>
internal sealed class ArrayCompiler(SchemaCompiler compiler)
{
    /// <summary>Most items that are described one by one, and most that are counted for <c>contains</c>.</summary>
    private const int MostCounted = 2_000;

    public Piece Compile(Facts facts)
    {
        int prefix = facts.Items.Aggregate(0, (n, r) => Math.Max(n, r.Prefix.Count));
        ContainsRule? contains = ContainsOf(facts);
        if (facts.Unique is not null && facts.MaxItems > 1)
            return Unique(facts, prefix, contains);
        return new ArrayPiece(Shape(facts, prefix, contains));
    }

    private ArrayShape Shape(Facts facts, int prefix, ContainsRule? contains)
    {
        if (prefix > MostCounted || contains is { Min: > MostCounted })
            throw compiler.NodeOf(facts).Unsupported(prefix > MostCounted ? "prefixItems" : "minContains", $"more than {MostCounted} items would be counted one by one");
        // Items beyond the greatest number are never asked for, so an unreasonable number of them is not looked at.
        int described = Math.Min(prefix, facts.MaxItems);
        return new ArrayShape
        {
            Prefix = [.. Enumerable.Range(0, described).Select(i => Item(facts, i, contains))],
            Rest = facts.MaxItems > prefix ? Item(facts, prefix, contains) : null,
            Min = facts.MinItems,
            Max = facts.MaxItems,
            MinContains = contains?.Min ?? 0,
            MaxContains = contains?.Max ?? int.MaxValue,
        };
    }

    private ArrayItem Item(Facts facts, int index, ContainsRule? contains)
    {
        List<Claim> claims = ClaimsAt(facts, index);
        if (contains is not { } rule)
            return new ArrayItem(compiler.Compile(claims), null);
        Piece containing = compiler.Compile([.. claims, rule.Item]);
        // Where too many must not count, those that do not count have to be told apart.
        return new ArrayItem(compiler.Compile(rule.Max == int.MaxValue ? claims : [.. claims, rule.Item.Negated()]), containing);
    }

    private static List<Claim> ClaimsAt(Facts facts, int index) =>
        [.. facts.Items.Select(r => index < r.Prefix.Count ? r.Prefix[index] : r.Rest).OfType<Claim>()];

    private static ContainsRule? ContainsOf(Facts facts)
    {
        List<ContainsRule> rules = [.. facts.Contains.Where(r => r.Min > 0 || r.Max < int.MaxValue)];
        if (rules.Count > 1)
            throw rules[1].Node.Unsupported("contains", "two of them for one array");
        ContainsRule? rule = rules.Count == 1 ? rules[0] : null;
        return rule is { Max: < int.MaxValue and > MostCounted } ? throw rule.Node.Unsupported("maxContains", $"more than {MostCounted} items would be counted") : rule;
    }

    /// <summary>Different items: a short list of values, or places whose schemas have nothing in common.</summary>
    private Piece Unique(Facts facts, int prefix, ContainsRule? contains)
    {
        List<Claim> rest = ClaimsAt(facts, prefix);
        bool hasRest = facts.MaxItems > prefix && !rest.Exists(c => c.IsAbsurd);
        if (!hasRest && PlacesDiffer(facts, Math.Min(prefix, facts.MaxItems)))
            return new ArrayPiece(Shape(facts, prefix, contains));
        if (prefix == 0 && contains is null && FiniteValues(rest) is { } values)
            return new DistinctArrayPiece([.. values.Select(v => compiler.Literals.AnyOf(facts.Unique!, [v]))], facts.MinItems, facts.MaxItems);
        throw facts.Unique!.Unsupported("uniqueItems", $"it can be where the items are at most {DistinctArrayPiece.MostValues} values named by enum, const or boolean");
    }

    private bool PlacesDiffer(Facts facts, int count)
    {
        List<List<Claim>> places = [.. Enumerable.Range(0, count).Select(i => ClaimsAt(facts, i))];
        if (places.Exists(p => p.Count != 1 || !p[0].Holds))
            return count <= 1;
        for (int i = 0; i < count; i++)
        {
            for (int j = i + 1; j < count; j++)
            {
                if (!compiler.Expander.AreDisjoint(places[i][0].Node, places[j][0].Node))
                    return false;
            }
        }

        return true;
    }

    private List<JsonElement>? FiniteValues(List<Claim> claims)
    {
        List<JsonElement> values = [];
        foreach (Facts facts in compiler.Expander.Expand(claims))
        {
            if (compiler.ValuesOf(facts) is { } some)
                values.AddRange(some.Where(s => !values.Exists(v => JsonValues.Equals(v, s))));
            else if ((facts.Types & ~(JsonTypes.Boolean | JsonTypes.Null)) == 0 && facts.Excluded.Count == 0)
                values.AddRange(Simple(facts.Types).Where(s => !values.Exists(v => JsonValues.Equals(v, s))));
            else
                return null;
        }

        return values.Count <= DistinctArrayPiece.MostValues ? values : null;
    }

    private static IEnumerable<JsonElement> Simple(JsonTypes types)
    {
        if (types.HasFlag(JsonTypes.Null))
            yield return JsonDocument.Parse("null").RootElement;
        if (types.HasFlag(JsonTypes.Boolean))
        {
            yield return JsonDocument.Parse("true").RootElement;
            yield return JsonDocument.Parse("false").RootElement;
        }
    }
}
