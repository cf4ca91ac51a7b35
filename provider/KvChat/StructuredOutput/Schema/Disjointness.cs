namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// Looks for plain reasons why schemas have no value in common: different types, constants, or values of a property that both require.
/// "Not seen to be disjoint" is always a safe answer.
/// </summary>
internal sealed class Disjointness(SchemaDocument document, ClaimExpander expander)
{
    private const int Depth = 3;

    private readonly Dictionary<(int, int), bool> known = [];
    private int depth;

    public bool AreDisjoint(SchemaNode a, SchemaNode b)
    {
        (int, int) key = (Math.Min(a.Id, b.Id), Math.Max(a.Id, b.Id));
        if (!known.TryGetValue(key, out bool disjoint))
        {
            known[key] = false; // for schemas that lead back here
            known[key] = disjoint = IsEmpty([new Claim(a, true), new Claim(b, true)]);
        }

        return disjoint;
    }

    private bool IsEmpty(IReadOnlyList<Claim> claims)
    {
        if (depth >= Depth)
            return false;
        depth++;
        try
        {
            return expander.Expand(claims).All(IsEmpty);
        }
        catch (SchemaNotSupportedException)
        {
            return false;
        }
        finally
        {
            depth--;
        }
    }

    private bool IsEmpty(Facts facts)
    {
        if (facts.Values is not null)
            return !facts.Values.Exists(v => new SchemaValidator(document).SatisfiesAll(facts.Claims, v));
        JsonTypes left = facts.Types;
        if (facts.MinLength > facts.MaxLength)
            left &= ~JsonTypes.String;
        if (facts.MinItems > facts.MaxItems)
            left &= ~JsonTypes.Array;
        if (facts.Range is { Min: { } min, Max: { } max } range && (min.CompareTo(max) is > 0 || (min == max && (range.MinIsExclusive || range.MaxIsExclusive))))
            left &= ~JsonTypes.Number;
        if (left == JsonTypes.Object && facts.Required.Any(name => IsPropertyEmpty(facts, name)))
            left = JsonTypes.None;
        return left == JsonTypes.None;
    }

    private bool IsPropertyEmpty(Facts facts, string name)
    {
        List<Claim> claims = [];
        foreach (PropertyRule rule in facts.Properties)
        {
            if (rule.Named.TryGetValue(name, out Claim claim))
                claims.Add(claim);
            else if (rule.Patterns.Count == 0 && rule.Others is { } others)
                claims.Add(others);
        }

        return claims.Exists(c => c.IsAbsurd) || (claims.Count > 0 && IsEmpty(claims));
    }
}
