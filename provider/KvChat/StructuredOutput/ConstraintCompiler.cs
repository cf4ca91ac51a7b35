using System.Text;
using System.Text.Json;
using KvChat.StructuredOutput.Automata;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;
using KvChat.StructuredOutput.Patterns;
using KvChat.StructuredOutput.Schema;

namespace KvChat.StructuredOutput;

/// <summary>Compiles constraints and remembers the latest. Thread-safe.</summary>
internal sealed class ConstraintCompiler(ConstraintOptions? options = null)
{
    private const int DeepestSource = 1_000;

    private readonly ConstraintOptions options = options ?? new ConstraintOptions();
    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, Constraint Constraint)>> known = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, Constraint Constraint)> byUse = [];

    /// <summary>The documents that a JSON schema (draft 2020-12, with the forms of earlier drafts) admits.</summary>
    /// <exception cref="SchemaNotSupportedException">A keyword cannot be enforced exactly, or no document satisfies the schema.</exception>
    /// <exception cref="ConstraintSyntaxException">The schema is malformed, or too long.</exception>
    public Constraint FromJsonSchema(JsonElement schema)
    {
        if (schema.ValueKind == JsonValueKind.Undefined)
            throw new ConstraintSyntaxException("JSON schema", "#", "there is none.");
        string text = schema.GetRawText();
        return Remember("JSON schema", text, () => new Constraint(SchemaCompiler.Compile(Read(text), options), "JSON schema"));
    }

    /// <summary>A copy of the schema, so that it does not hang on somebody's document.</summary>
    private static JsonElement Read(string text)
    {
        try
        {
            JsonElement schema = JsonDocument.Parse(text, new() { MaxDepth = DeepestSource }).RootElement;
            if (text.Contains("\\ud", StringComparison.OrdinalIgnoreCase))
                CheckSurrogates(schema, "");
            return schema;
        }
        catch (JsonException)
        {
            throw new ConstraintSyntaxException("JSON schema", "#", $"arrays and objects are nested more than {DeepestSource} deep.");
        }
    }

    /// <summary>Half of a surrogate pair is no character: no text could hold it, and it could not be compared.</summary>
    private static void CheckSurrogates(JsonElement element, string pointer)
    {
        try
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.String:
                    _ = element.GetString();
                    break;
                case JsonValueKind.Array:
                    int index = 0;
                    foreach (JsonElement item in element.EnumerateArray())
                        CheckSurrogates(item, $"{pointer}/{index++}");
                    break;
                case JsonValueKind.Object:
                    foreach (JsonProperty property in element.EnumerateObject())
                        CheckSurrogates(property.Value, $"{pointer}/{property.Name}");
                    break;
                default:
                    break;
            }
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintSyntaxException("JSON schema", "#" + pointer, "a text or name has half of a surrogate pair; both halves must be there.");
        }
    }

    /// <summary>Any JSON object.</summary>
    public Constraint FromJsonObject() => FromJsonSchema(AnyObject);

    /// <summary>The texts that a regular expression matches from beginning to end.</summary>
    /// <exception cref="SchemaNotSupportedException">The expression uses what no automaton can do, or matches nothing.</exception>
    /// <exception cref="ConstraintSyntaxException">The expression is malformed, or too long.</exception>
    public Constraint FromRegex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return Remember("regular expression", pattern, () => new Constraint(CompileRegex(pattern), "regular expression"));
    }

    /// <summary>The texts of a grammar in the notation of GBNF (see <see cref="GrammarParser"/>), from its rule <c>root</c>.</summary>
    /// <exception cref="SchemaNotSupportedException">The grammar is left-recursive, or no finite text satisfies it.</exception>
    /// <exception cref="ConstraintSyntaxException">The grammar is malformed, or too long.</exception>
    public Constraint FromGrammar(string grammar)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        return Remember("grammar", grammar, () => new Constraint(GrammarParser.Parse(grammar), "grammar"));
    }

    private static readonly JsonElement AnyObject = JsonDocument.Parse("""{"type":"object"}""").RootElement;

    private static Lexeme CompileRegex(string pattern)
    {
        try
        {
            var factory = new LanguageFactory();
            CharDfa dfa = DfaBuilder.Build(factory, new RegexTranslator(factory).FullMatch(pattern));
            return dfa.IsEmpty ? throw new SchemaNotSupportedException("regex", "", "no text matches it") : JsonLexemes.Plain(dfa);
        }
        catch (RegexSyntaxException e) when (!e.IsUnsupported)
        {
            throw new ConstraintSyntaxException("regular expression", $"character {e.Position}", e.Message);
        }
        catch (Exception e) when (e is RegexSyntaxException or AutomatonTooLargeException)
        {
            throw new SchemaNotSupportedException("regex", "", e.Message);
        }
    }

    /// <summary>A constraint that was made before from the same text, or else a new one.</summary>
    /// <param name="kind">What it is made from.</param>
    /// <param name="text">The source; the same text of the same kind means the same constraint.</param>
    /// <param name="compile">Makes it.</param>
    public Constraint Remember(string kind, string text, Func<Constraint> compile)
    {
        if (Encoding.UTF8.GetByteCount(text) > options.LongestSource)
            throw new ConstraintSyntaxException(kind, "0", $"the text has {Encoding.UTF8.GetByteCount(text)} bytes; at most {options.LongestSource} are read.");
        string key = kind + "\n" + text;
        lock (gate)
        {
            if (known.TryGetValue(key, out LinkedListNode<(string, Constraint Constraint)>? node))
            {
                byUse.Remove(node);
                byUse.AddFirst(node);
                return node.Value.Constraint;
            }
        }

        // Outside the lock: a slow one must not hold up the others. Two at once make two, of which one is kept.
        Constraint made = compile();
        lock (gate)
        {
            if (known.TryGetValue(key, out LinkedListNode<(string, Constraint Constraint)>? other))
                return other.Value.Constraint;
            known[key] = byUse.AddFirst((key, made));
            if (byUse.Count > options.CachedConstraints)
            {
                known.Remove(byUse.Last!.Value.Key);
                byUse.RemoveLast();
            }
        }

        return made;
    }
}
