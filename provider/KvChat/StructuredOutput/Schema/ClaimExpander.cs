using System.Runtime.CompilerServices;

namespace KvChat.StructuredOutput.Schema;

/// <summary>One way out of several: claims that must hold, and what else it says.</summary>
internal sealed record Way(IReadOnlyList<Claim> Claims, Action<Facts>? Also = null);

/// <summary>
/// Takes claims apart into facts: a list of conjunctions of which one must hold. References and <c>allOf</c> are followed,
/// <c>anyOf</c>, <c>oneOf</c>, conditions and negations are spread out. This is where exponential schemas are stopped.
/// </summary>
internal sealed class ClaimExpander
{
    /// <summary>Most ways that a conjunction of schemas may spread out into.</summary>
    private const int MostWays = 600;

    /// <summary>Most steps of one expansion, dead ends among them.</summary>
    private const int MostSteps = 6_000;

    /// <summary>Most choices of one value: so many multiply into too many ways anyhow, and copying them takes its time.</summary>
    private const int MostChoices = 300;

    private const int DeepestReferences = 300;

    private readonly SchemaDocument document;
    private readonly Disjointness disjointness;
    private int steps;

    public ClaimExpander(SchemaDocument document)
    {
        this.document = document;
        disjointness = new Disjointness(document, this);
    }

    public SchemaDocument Document => document;

    /// <summary>The ways to satisfy all of the claims.</summary>
    /// <exception cref="SchemaNotSupportedException">A keyword cannot be enforced, or there are too many ways.</exception>
    public IReadOnlyList<Facts> Expand(IEnumerable<Claim> claims)
    {
        int outer = steps;
        steps = 0;
        var results = new List<Facts>();
        var facts = new Facts();
        var choices = new List<PendingChoice>();
        foreach (Claim claim in claims)
            Assert(facts, claim, choices, null);
        Walk(facts, choices, 0, results);
        steps = outer;
        return results;
    }

    private void Walk(Facts facts, List<PendingChoice> choices, int next, List<Facts> results)
    {
        if (facts.IsContradictory)
            return;
        if (next == choices.Count)
        {
            results.Add(facts);
            return;
        }

        PendingChoice choice = choices[next];
        if (choices.Count > MostChoices || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw choice.Node.Unsupported(choice.Keyword, "too many choices of one value are combined");
        foreach (Way way in choice.Ways)
        {
            if (++steps > MostSteps || results.Count > MostWays)
                throw choice.Node.Unsupported(choice.Keyword, $"combined with its surroundings it spreads out into more than {MostWays} ways or {MostSteps} steps");
            Facts copy = facts.Copy();
            List<PendingChoice> more = [.. choices];
            way.Also?.Invoke(copy);
            foreach (Claim claim in way.Claims)
                Assert(copy, claim, more, choice.From);
            Walk(copy, more, next + 1, results);
        }
    }

    private void Assert(Facts facts, Claim claim, List<PendingChoice> choices, Derivation? from)
    {
        if (from?.Depth > DeepestReferences || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw claim.Node.Unsupported("$ref", $"references and allOf follow one another more than {DeepestReferences} times");
        if (claim.IsTrivial || facts.IsContradictory)
            return;
        if (!facts.Claims.Add(claim))
        {
            if (from is not null && from.Contains(claim))
                throw claim.Node.Unsupported("$ref", "it leads back to itself without a property or item in between, so it says nothing that could be held");
            return;
        }

        if (claim.IsAbsurd || facts.Claims.Contains(claim.Negated()))
        {
            facts.Types = JsonTypes.None;
            return;
        }

        var here = new Derivation(claim, from);
        var reader = new KeywordReader(
            this,
            facts,
            claim.Node,
            sub => Assert(facts, sub, choices, here),
            (keyword, ways) => Choose(facts, claim.Node, keyword, ways, choices, here));
        if (claim.Holds)
            reader.ReadPositive();
        else
            NegativeReader.Read(reader, document);
    }

    private void Choose(Facts facts, SchemaNode node, string keyword, IReadOnlyList<Way> ways, List<PendingChoice> choices, Derivation from)
    {
        if (ways.Count == 0)
        {
            facts.Types = JsonTypes.None;
        }
        else if (ways.Count == 1)
        {
            ways[0].Also?.Invoke(facts);
            foreach (Claim claim in ways[0].Claims)
                Assert(facts, claim, choices, from);
        }
        else
        {
            choices.Add(new PendingChoice(node, keyword, ways, from));
        }
    }

    /// <summary>Exactly one: each together with the negation of those others that do not exclude it anyway.</summary>
    public IReadOnlyList<Way> ExactlyOne(IReadOnlyList<SchemaNode> nodes)
    {
        var ways = new List<Way>();
        for (int i = 0; i < nodes.Count; i++)
        {
            var claims = new List<Claim> { new(nodes[i], true) };
            for (int j = 0; j < nodes.Count; j++)
            {
                if (i != j && !disjointness.AreDisjoint(nodes[i], nodes[j]))
                    claims.Add(new Claim(nodes[j], false));
            }

            ways.Add(new Way(claims));
        }

        return ways;
    }

    /// <summary>Whether two schemas have no value in common, as far as is easily seen.</summary>
    public bool AreDisjoint(SchemaNode a, SchemaNode b) => disjointness.AreDisjoint(a, b);

    private sealed record PendingChoice(SchemaNode Node, string Keyword, IReadOnlyList<Way> Ways, Derivation From);

    /// <summary>A claim and the one whose keyword made it.</summary>
    private sealed class Derivation(Claim claim, Derivation? from)
    {
        public int Depth { get; } = (from?.Depth ?? 0) + 1;

        public bool Contains(Claim other)
        {
            for (Derivation? d = this; d is not null; d = d.From)
            {
                if (d.Claim == other)
                    return true;
            }

            return false;
        }

        private Claim Claim => claim;

        private Derivation? From => from;
    }
}
