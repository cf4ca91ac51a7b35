using System.Text.Json;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Schema;

/// <summary>
/// Objects out of facts: the named properties in the order in which schemas mention them, then others. Names of others are split by the
/// patterns that they match, since each pattern brings its claims about the value.
/// </summary>
internal sealed class ObjectCompiler(SchemaCompiler compiler, PropertyOrder order)
{
    /// <summary>Most kinds of names in one object: names are split by the patterns that they match.</summary>
    private const int MostParts = 200;

    /// <summary>Counts of properties beyond this are not told apart.</summary>
    private const int MostCounted = 10_000;

    private const int MostUnordered = 3;

    /// <summary>Most ways in which the properties that negations ask for are named ones, over a whole schema.</summary>
    private const int MostWitnessed = 2_000;

    private readonly Dictionary<string, Lexeme> keys = new(StringComparer.Ordinal);
    private int witnessed;

    public Piece Compile(Facts facts) => Compile(facts, null);

    /// <param name="facts">What must hold.</param>
    /// <param name="witness">What must hold of one of the properties that nothing names.</param>
    private Piece Compile(Facts facts, WitnessRule? witness)
    {
        if (facts.Witnesses.Count > 0)
            return new Choice(WitnessWays(facts, witness));
        string[] unlisted = [.. facts.Required.Except(facts.Names, StringComparer.Ordinal)];
        if (order == PropertyOrder.Any || unlisted.Length is < 2 or > MostUnordered)
            return Compile(facts, [.. facts.Names, .. unlisted], witness);
        return new Choice([.. Orders(unlisted).Select(names => Compile(facts, [.. facts.Names, .. names], witness))]);
    }

    /// <summary>The property that a rule asks for is one of those that are named, or one that is not.</summary>
    private List<Piece> WitnessWays(Facts facts, WitnessRule? witness)
    {
        WitnessRule rule = facts.Witnesses[0];
        List<Piece> ways = [];
        foreach (string name in NamesOf(facts, facts.Names.Concat(facts.Required)).Where(n => Covers(rule, n) && !ClaimsFor(facts, n).Exists(c => c.IsAbsurd)))
        {
            if (++witnessed > MostWitnessed)
                throw rule.Node.Unsupported(rule.Keyword, $"its negation (by not, oneOf or if) spreads out into more than {MostWitnessed} ways");
            Facts copy = facts.Copy();
            copy.Witnesses.RemoveAt(0);
            copy.Require(name);
            copy.AboutProperty(rule.Node, name, rule.Value);
            ways.Add(Compile(copy, witness));
        }

        Facts unnamed = facts.Copy();
        unnamed.Witnesses.RemoveAt(0);
        bool isClosed = facts.Properties.Exists(r => r.Patterns.Count == 0 && r.Others is { IsAbsurd: true });
        if (isClosed)
            return ways;
        if (witness is not null)
            throw rule.Node.Unsupported(rule.Keyword, "its negation (by not, oneOf or if) asks for several properties that the schema does not name");
        ways.Add(Compile(unnamed, rule));
        return ways;
    }

    private bool Covers(WitnessRule rule, string name) => !rule.NotNamed.Contains(name)
        && rule.Patterns.All(p => StringLanguage.Matches(rule.Node, "patternProperties", p.Pattern, name) == p.Matches)
        && (rule.Name is not { } claim || new SchemaValidator(compiler.Document).Satisfies(claim, JsonSerializer.SerializeToElement(name, StringContext.Default.String)));

    /// <summary>Names that only <c>required</c> or dependencies mention have no order of their own: a few may come in any.</summary>
    private static IEnumerable<IEnumerable<string>> Orders(string[] names) => names.Length == 0
        ? [[]]
        : names.SelectMany(first => Orders([.. names.Where(n => n != first)]).Select(rest => rest.Prepend(first)));

    private static string[] NamesOf(Facts facts, IEnumerable<string> inOrder) => [.. inOrder.Concat(facts.Properties.SelectMany(r => r.Named.Keys)).Distinct(StringComparer.Ordinal)];

    private ObjectPiece Compile(Facts facts, IEnumerable<string> inOrder, WitnessRule? witness)
    {
        List<NamedProperty> named = [];
        string[] names = NamesOf(facts, inOrder);
        foreach (string name in names)
        {
            List<Claim> claims = ClaimsFor(facts, name);
            bool allowed = !claims.Exists(c => c.IsAbsurd) && IsNameAllowed(facts, name);
            bool required = facts.Required.Contains(name);
            if (allowed || required)
                named.Add(new NamedProperty(Key(name), allowed ? compiler.Compile(claims) : new Choice(), required));
        }

        List<NamedProperty> others = Others(facts, names, null);
        int max = facts.MaxProperties;
        if (others.Count == 0 && max >= named.Count)
            max = int.MaxValue;
        else if (max > MostCounted && max < int.MaxValue)
            max = MostCounted; // fewer objects than allowed, and none that is not
        CheckLeastCount(facts, others.Count > 0);
        List<NamedProperty> witnesses = witness is null ? [] : Others(facts, names, witness);
        if (witness is not null && witnesses.Count == 0)
            witnesses.Add(new NamedProperty(Key(""), new Choice(), true)); // there can be none
        return new ObjectPiece(new ObjectShape { Named = named, Others = others, Witnesses = witnesses, Min = facts.MinProperties, Max = max, Order = order });
    }

    /// <summary>
    /// A name may come twice among the others, and readers keep one of the two; so more than one of them cannot be relied upon to count.
    /// </summary>
    private static void CheckLeastCount(Facts facts, bool hasOthers)
    {
        if (facts.MinProperties > facts.Required.Count + 1 && hasOthers)
            throw facts.MinPropertiesNode!.Unsupported("minProperties", "names that the schema does not list could come twice; list them under properties with additionalProperties false, or require them");
        if (facts.MinProperties > MostCounted)
            throw facts.MinPropertiesNode!.Unsupported("minProperties", $"more than {MostCounted}");
    }

    private Lexeme Key(string name)
    {
        if (!keys.TryGetValue(name, out Lexeme? key))
            keys[name] = key = JsonLexemes.Strings([name]);
        return key;
    }

    private static List<Claim> ClaimsFor(Facts facts, string name)
    {
        List<Claim> claims = [];
        foreach (PropertyRule rule in facts.Properties)
        {
            int before = claims.Count;
            if (rule.Named.TryGetValue(name, out Claim claim))
                claims.Add(claim);
            claims.AddRange(rule.Patterns.Where(p => StringLanguage.Matches(rule.Node, "patternProperties", p.Pattern, name)).Select(p => p.Value));
            bool isNamed = rule.Named.ContainsKey(name) || claims.Count > before;
            if (!isNamed && rule.Others is { } others)
                claims.Add(others);
        }

        return claims;
    }

    private bool IsNameAllowed(Facts facts, string name) => facts.PropertyNames.Count == 0
        || new SchemaValidator(compiler.Document).SatisfiesAll(facts.PropertyNames, JsonSerializer.SerializeToElement(name, StringContext.Default.String));

    /// <summary>Properties that nothing names; with a rule, those of them that satisfy it.</summary>
    private List<NamedProperty> Others(Facts facts, string[] names, WitnessRule? witness)
    {
        string[] patterns = [.. facts.Properties.SelectMany(r => r.Patterns).Select(p => p.Pattern).Distinct(StringComparer.Ordinal)];
        List<NamedProperty> others = [];
        List<Claim> plain = [.. facts.Properties.Select(r => r.Others).OfType<Claim>()];
        if (patterns.Length == 0 && plain.Exists(c => c.IsAbsurd))
            return others;
        if (patterns.Length == 0 && names.Length == 0 && facts.PropertyNames.Count == 0 && witness is null)
            return [new NamedProperty(JsonLexemes.AnyString, compiler.Compile(plain), false)];
        if (patterns.Length == 0 && facts.PropertyNames.Count == 0 && witness is null)
            return [new NamedProperty(JsonLexemes.StringsExcept(names), compiler.Compile(plain), false)];

        SchemaNode node = facts.Properties.Find(r => r.Patterns.Count > 0)?.Node ?? compiler.NodeOf(facts);
        string keyword = patterns.Length == 0 ? "propertyNames" : "patternProperties";
        foreach ((CharDfa dfa, HashSet<string> matched) in StringLanguage.Guard(node, keyword, () => Split(Unnamed(facts, names, witness), node, patterns)))
        {
            List<Claim> claims = ClaimsFor(facts, matched);
            if (witness is not null)
                claims.Add(witness.Value);
            if (!claims.Exists(c => c.IsAbsurd))
                others.Add(new NamedProperty(JsonLexemes.Quoted(dfa), compiler.Compile(claims), false));
        }

        return others;
    }

    /// <summary>Names that are not listed, and are allowed and asked for.</summary>
    private CharDfa Unnamed(Facts facts, string[] names, WitnessRule? witness)
    {
        CharDfa unnamed = DfaOperations.ExceptWords(names);
        if (facts.PropertyNames.Count == 0 && witness is null)
            return unnamed;
        var factory = new LanguageFactory();
        return DfaOperations.Intersect(unnamed, DfaBuilder.Build(factory, factory.And(AllowedNames(factory, facts.PropertyNames), NamesOf(factory, witness))));
    }

    /// <summary>Parts of a language by the patterns that their texts match. Most combinations of patterns are empty and drop out early.</summary>
    private static List<(CharDfa Names, HashSet<string> Matched)> Split(CharDfa all, SchemaNode node, string[] patterns)
    {
        List<(CharDfa Names, HashSet<string> Matched)> parts = all.IsEmpty ? [] : [(all, [])];
        foreach (string pattern in patterns)
        {
            CharDfa matching = StringLanguage.Search(node, "patternProperties", pattern);
            CharDfa others = DfaOperations.Complement(matching);
            List<(CharDfa Names, HashSet<string> Matched)> finer = [];
            foreach ((CharDfa names, HashSet<string> matched) in parts)
            {
                if (DfaOperations.Intersect(names, matching) is { IsEmpty: false } inside)
                    finer.Add((inside, [.. matched, pattern]));
                if (DfaOperations.Intersect(names, others) is { IsEmpty: false } outside)
                    finer.Add((outside, matched));
            }

            parts = finer;
            if (parts.Count > MostParts)
                throw node.Unsupported("patternProperties", $"{patterns.Length} patterns split the names of one object into more than {MostParts} kinds");
        }

        return parts;
    }

    private static List<Claim> ClaimsFor(Facts facts, HashSet<string> matched)
    {
        List<Claim> claims = [];
        foreach (PropertyRule rule in facts.Properties)
        {
            int before = claims.Count;
            claims.AddRange(rule.Patterns.Where(p => matched.Contains(p.Pattern)).Select(p => p.Value));
            if (claims.Count == before && rule.Others is { } others)
                claims.Add(others);
        }

        return claims;
    }

    private Language NamesOf(LanguageFactory factory, WitnessRule? witness) => witness is null
        ? factory.Everything
        : factory.And(
            [
                factory.Not(factory.Or([.. witness.NotNamed.Select(factory.Text)])),
                AllowedNames(factory, witness.Name is { } claim ? [claim] : []),
                .. witness.Patterns.Select(p => StringLanguage.Pattern(factory, witness.Node, "patternProperties", p.Pattern) is var l && p.Matches ? l : factory.Not(l)),
            ]);

    private Language AllowedNames(LanguageFactory factory, List<Claim> claims)
    {
        if (claims.Count == 0)
            return factory.Everything;
        List<Language> ways = [];
        foreach (Facts way in compiler.Expander.Expand(claims))
        {
            if (compiler.ValuesOf(way) is { } values)
                ways.AddRange(values.Where(v => v.ValueKind == JsonValueKind.String).Select(v => factory.Text(v.GetString()!)));
            else if (way.Types.HasFlag(JsonTypes.String))
                ways.Add(StringLanguage.Language(factory, way));
        }

        return factory.Or([.. ways]);
    }
}
