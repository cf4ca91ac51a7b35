using System.Text.Json;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// From a JSON schema to a grammar. What must hold of a value is a set of <see cref="Claim"/>s; each different set becomes one rule, so
/// recursive schemas become recursive rules. Rules are worked off from a queue, not by recursion, so deep schemas do not overflow the stack.
/// </summary>
internal sealed class SchemaCompiler
{
    /// <summary>Most rules, and most conjunctions within them.</summary>
    private const int MostRules = 20_000;

    private static readonly Lexeme AnyNumber = JsonLexemes.Plain(NumberLanguage.Build(new NumberRange()));

    private static readonly Lexeme AnyInteger = JsonLexemes.Plain(NumberLanguage.Build(new NumberRange { Fractions = false }));

    private static readonly Lexeme AnyIntegerWithPoint = JsonLexemes.Plain(NumberLanguage.Build(new NumberRange { Fractions = false, WritesIntegersWithPoint = true }));

    private static readonly KnownAutomata<TextAutomaton> Numbers = new(t => t.Dfa);

    private readonly ConstraintOptions options;
    private readonly Dictionary<string, Rule> rules = new(StringComparer.Ordinal);
    private readonly Queue<(Rule Rule, IReadOnlyList<Claim> Claims)> open = [];
    private readonly ArrayCompiler arrays;
    private readonly ObjectCompiler objects;
    private int conjunctions;

    private SchemaCompiler(SchemaDocument document, ConstraintOptions options)
    {
        this.options = options;
        Document = document;
        Expander = new ClaimExpander(document);
        Literals = new LiteralCompiler(options);
        arrays = new ArrayCompiler(this);
        objects = new ObjectCompiler(this, options.PropertyOrder);
    }

    public SchemaDocument Document { get; }

    public ClaimExpander Expander { get; }

    public LiteralCompiler Literals { get; }

    /// <summary>The grammar of a schema's documents, settled.</summary>
    /// <exception cref="SchemaNotSupportedException">A keyword cannot be enforced, or no document satisfies the schema.</exception>
    /// <exception cref="ConstraintSyntaxException">The schema is malformed.</exception>
    public static Piece Compile(JsonElement schema, ConstraintOptions options)
    {
        var compiler = new SchemaCompiler(new SchemaDocument(schema), options);
        Piece root = compiler.Compile([new Claim(compiler.Document.Root, true)]);
        while (compiler.open.TryDequeue(out (Rule Rule, IReadOnlyList<Claim> Claims) next))
            next.Rule.Body = compiler.Alternatives(next.Claims);
        PieceGraph.Settle(root);
        return root.CanBeWritten ? root : throw compiler.Unsatisfiable();
    }

    /// <summary>The rule for values that satisfy all claims; its body follows.</summary>
    public Piece Compile(IEnumerable<Claim> claims)
    {
        Claim[] set = [.. claims.Where(c => !c.IsTrivial).Distinct().OrderBy(c => c.Node.Id).ThenBy(c => c.Holds)];
        string key = string.Join(' ', set.Select(c => c.Holds ? c.Node.Id : ~c.Node.Id));
        if (!rules.TryGetValue(key, out Rule? rule))
        {
            if (rules.Count >= MostRules)
                throw Document.Root.Unsupported("$ref", $"the schema needs more than {MostRules} rules");
            rules[key] = rule = new Rule(set.Length == 0 ? "any" : string.Join(" and ", set.Select(c => (c.Holds ? "#" : "not #") + c.Node.Pointer)));
            open.Enqueue((rule, set));
        }

        return rule;
    }

    /// <summary>A schema to blame in errors about facts.</summary>
    public SchemaNode NodeOf(Facts facts) => facts.Claims.Count > 0 ? facts.Claims.First().Node : Document.Root;

    /// <summary>The only values that satisfy facts, or null where they do not name any.</summary>
    public IReadOnlyList<JsonElement>? ValuesOf(Facts facts) => facts.Values is null
        ? null
        : [.. facts.Values.Where(v => new SchemaValidator(Document).SatisfiesAll(facts.Claims, v))];

    private SchemaNotSupportedException Unsatisfiable()
    {
        string keyword = Document.Root.Element.ValueKind == JsonValueKind.Object
            ? Document.Root.Element.EnumerateObject().Select(p => p.Name).FirstOrDefault(n => n is "not" or "allOf" or "enum" or "required" or "oneOf" or "anyOf", "type")
            : "false";
        return Document.Root.Unsupported(keyword, "no finite document satisfies the schema");
    }

    private Piece Alternatives(IReadOnlyList<Claim> claims)
    {
        List<Piece> ways = [];
        foreach (Facts facts in Expander.Expand(claims))
        {
            if (++conjunctions > MostRules)
                throw NodeOf(facts).Unsupported("anyOf", $"the schema spreads out into more than {MostRules} conjunctions");
            Add(facts, ways);
        }

        return ways.Count == 1 ? ways[0] : new Choice(ways);
    }

    private void Add(Facts facts, List<Piece> ways)
    {
        if (ValuesOf(facts) is { } values)
        {
            if (values.Count > 0)
                ways.Add(Literals.AnyOf(NodeOf(facts), values));
            return;
        }

        CheckExcluded(facts);
        if (facts.Types.HasFlag(JsonTypes.Null) && !facts.Excluded.Exists(e => e.Value.ValueKind == JsonValueKind.Null))
            ways.Add(JsonLexemes.Null);
        if (facts.Types.HasFlag(JsonTypes.Boolean))
        {
            if (!facts.Excluded.Exists(e => e.Value.ValueKind == JsonValueKind.True))
                ways.Add(JsonLexemes.True);
            if (!facts.Excluded.Exists(e => e.Value.ValueKind == JsonValueKind.False))
                ways.Add(JsonLexemes.False);
        }

        if ((facts.Types & JsonTypes.Number) != 0)
            ways.Add(Number(facts));
        if (facts.Types.HasFlag(JsonTypes.String) && facts.MinLength <= facts.MaxLength)
            ways.Add(StringLanguage.Compile(facts, options.LeapSeconds));
        if (facts.Types.HasFlag(JsonTypes.Array) && facts.MinItems <= facts.MaxItems)
            ways.Add(arrays.Compile(facts));
        if (facts.Types.HasFlag(JsonTypes.Object) && facts.MinProperties <= facts.MaxProperties)
            ways.Add(objects.Compile(facts));
    }

    private static void CheckExcluded(Facts facts)
    {
        foreach ((SchemaNode node, JsonElement value) in facts.Excluded)
        {
            JsonTypes type = JsonValues.TypeOf(value);
            bool isEmpty = value.ValueKind switch
            {
                JsonValueKind.Array => value.GetArrayLength() == 0,
                JsonValueKind.Object => !value.EnumerateObject().Any(),
                _ => false,
            };
            if ((type & facts.Types & (JsonTypes.Array | JsonTypes.Object)) == 0)
                continue;
            if (!isEmpty)
                throw node.Unsupported("const", "arrays and objects with content cannot be excluded (by not, oneOf or if)");
            if (type == JsonTypes.Array)
                facts.MinItems = Math.Max(1, facts.MinItems);
            else if (facts.MinProperties == 0)
                (facts.MinProperties, facts.MinPropertiesNode) = (1, node);
        }
    }

    private Lexeme Number(Facts facts)
    {
        NumberRange range = facts.Range with
        {
            Integers = facts.Types.HasFlag(JsonTypes.Integer),
            Fractions = facts.Types.HasFlag(JsonTypes.Fraction),
            WritesIntegersWithPoint = options.IntegersWithPoint,
            Excluded = [.. facts.Excluded.Where(e => e.Value.ValueKind == JsonValueKind.Number).Select(e => e.Node.Number("const", e.Value))],
        };
        if (range.IsUnlimited)
            return range.Fractions ? AnyNumber : options.IntegersWithPoint ? AnyIntegerWithPoint : AnyInteger;
        return StringLanguage.Guard(NodeOf(facts), range.MultiplesOf.Count > 0 ? "multipleOf" : "minimum", () => new Lexeme(Numbers.Get(range.Key, () => new TextAutomaton(NumberLanguage.Build(range), isQuoted: false)).Start));
    }
}
