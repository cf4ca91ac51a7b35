using System.Globalization;
using System.Text;
using System.Text.Json;
using KvChat.StructuredOutput;

namespace KvChat.Tests.StructuredOutput;

/// <summary>Schemas and patterns of strangers end in an error that says what is wrong, or compile; they never hang, overflow or fail otherwise.</summary>
public sealed class HostileSchemaTests
{
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 100_000 };

    public static TheoryData<string, string> Refused() => new()
    {
        { "nested deeper than is read", Repeat("{\"items\":", 3_000) + "true" + Repeat("}", 3_000) },
        { "schemas nested too deep", Repeat("{\"items\":", 700) + "true" + Repeat("}", 700) },
        { "larger than is read", "{\"description\":\"" + Repeat("x", 5 << 20) + "\"}" },
        { "a product of choices", "{\"allOf\":[" + string.Join(',', Enumerable.Range(0, 12).Select(i => AnyOf(i, 8))) + "]}" },
        { "thousands of choices", "{\"allOf\":[" + string.Join(',', Enumerable.Repeat("""{"anyOf":[{"minLength":1},{"minLength":2}]}""", 5_000)) + "]}" },
        { "a reference to itself", """{"$ref":"#"}""" },
        { "a choice that leads back to itself", """{"anyOf":[{"$ref":"#"},{"type":"string"}]}""" },
        { "references in a circle", """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a","not":{"$ref":"#/$defs/a"}}}}""" },
        { "a chain of references", "{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + string.Join(',', Enumerable.Range(0, 2_000).Select(i => $"\"d{i}\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}")) + ",\"d2000\":{}}}" },
        { "not itself", """{"not":{"$ref":"#"}}""" },
        { "a value that holds itself", """{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""" },
        { "huge repetition", """{"pattern":"^(?:[a-f]{2000}){2000}$","type":"string"}""" },
        { "repetition beyond counting", """{"pattern":"^[ab]{99999999999}$","type":"string"}""" },
        { "an exponential automaton", """{"pattern":"^.*a.{30}$","type":"string"}""" },
        { "exponential automata at once", """{"type":"string","allOf":[{"pattern":"(a|b)*a(a|b){14}"},{"pattern":"(a|b)*b(a|b){14}c"},{"pattern":"c(a|b){13}a"}]}""" },
        { "a back-reference", """{"pattern":"^(a+)\\1$","type":"string"}""" },
        { "a pattern beyond length", "{\"type\":\"string\",\"pattern\":\"" + Repeat("ab?", 20_000) + "\"}" },
        { "multiples of very large numbers", """{"type":"integer","multipleOf":123456789123}""" },
        { "a number beyond reason", "{\"type\":\"integer\",\"minimum\":1e100000000}" },
        { "millions of different items", """{"type":"array","items":{"type":"integer"},"minItems":2,"uniqueItems":true}""" },
        { "a list too long to count", "{\"type\":\"array\",\"contains\":{\"type\":\"string\"},\"minContains\":2000000000}" },
        { "properties beyond counting", """{"type":"object","minProperties":2000000000}""" },
        { "a pattern with an open group", """{"pattern":"(((","type":"string"}""" },
        { "half a surrogate pair", """{"enum":["\ud800"]}""" },
        { "half a surrogate pair in a name", """{"properties":{"\udc00x":true}}""" },
        { "a schema that is none", "[1,2]" },
        { "a type that is none", """{"type":"text"}""" },
        { "a count below zero", """{"minLength":-1}""" },
        { "a list instead of a map", """{"type":"object","properties":["a"]}""" },
        { "a dialect that nobody knows", """{"$schema":"https://example.com/mine"}""" },
        { "a reference out of the document", """{"$ref":"https://example.com/other.json"}""" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Hostile_schemas_end_in_errors_that_say_where(string what, string schema)
    {
        Exception? error = Record.Exception(() => new ConstraintCompiler().FromJsonSchema(JsonDocument.Parse(schema, Deep).RootElement));
        Assert.True(error is SchemaNotSupportedException { Keyword.Length: > 0 } or ConstraintSyntaxException { Position.Length: > 0 }, $"{what}: {error?.ToString() ?? "it compiled"}");
        Assert.True(error!.Message.Length < 500, $"{what}: the message repeats the schema");
    }

    public static TheoryData<string, string> Taken() => new()
    {
        { "a catastrophic pattern of backtrackers", """{"pattern":"^(a+)+$","type":"string"}""" },
        { "overlapping choices", """{"pattern":"^(a|aa)+b(c|cc|ccc)*$","type":"string"}""" },
        { "optional parts without end", "{\"type\":\"string\",\"pattern\":\"^" + Repeat("a?", 150) + "$\"}" },
        { "exclusive choices that overlap", "{\"oneOf\":[" + string.Join(',', Enumerable.Range(0, 40).Select(i => $$$$"""{"properties":{"p{{{{i}}}}":{"type":"string"}}}""")) + "]}" },
        { "multiples of very small numbers", """{"type":"number","multipleOf":1e-300}""" },
        { "lengths beyond writing", """{"type":"string","minLength":3,"maxLength":2147483647}""" },
        { "twenty thousand values", "{\"enum\":[" + string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"v{i}\"")) + "]}" },
        { "five thousand names", "{\"type\":\"object\",\"properties\":{" + string.Join(',', Enumerable.Range(0, 5_000).Select(i => $"\"n{i}\":{{}}")) + "},\"additionalProperties\":false}" },
        { "arrays within arrays", Repeat("{\"type\":\"array\",\"items\":", 300) + "true" + Repeat("}", 300) },
        { "recursion in all directions", """{"type":["object","array","null"],"additionalProperties":{"$ref":"#"},"items":{"$ref":"#"}}""" },
        { "names with everything in them", """{"type":"object","properties":{"\u0000":{},"\"\\":{},"\ud83d\ude00":{},"":{}},"additionalProperties":{}}""" },
        { "annotations of the wrong kind", """{"title":5,"default":{"a":[]},"examples":{},"$comment":null,"type":"boolean"}""" },
    };

    [Theory]
    [MemberData(nameof(Taken))]
    public void Large_and_strange_schemas_that_mean_something_compile_and_have_masks(string what, string schema)
    {
        Constraint constraint = new ConstraintCompiler().FromJsonSchema(JsonDocument.Parse(schema, Deep).RootElement);
        var mask = new ulong[EmbeddedVocabulary.Masker.Words];
        ConstraintMatcher matcher = constraint.Match();
        for (int step = 0; step < 12 && !matcher.MustStop; step++)
        {
            EmbeddedVocabulary.Masker.Fill(matcher, 10_000, mask);
            int[] allowed = [.. Enumerable.Range(0, mask.Length * 64).Where(id => (mask[id >> 6] >> (id & 63) & 1) == 1)];
            Assert.True(allowed.Length > 0, what);
            int[] texts = [.. allowed.Except(EmbeddedVocabulary.Tokenizer.EndOfGenerationIds)];
            if (texts.Length == 0)
                break;
            Assert.True(matcher.TryAdvance(EmbeddedVocabulary.Tokenizer.BytesOf(texts[step * 31 % texts.Length])));
        }
    }

    [Theory]
    [InlineData("""{"uniqueItems":true,"items":{"type":"string"},"type":"array"}""", "uniqueItems")]
    [InlineData("""{"type":"array","unevaluatedItems":false,"anyOf":[{"prefixItems":[{}]},{"minItems":1}]}""", "unevaluatedItems")]
    [InlineData("""{"type":"object","unevaluatedProperties":false,"anyOf":[{"properties":{"a":{}}},{"minProperties":1}]}""", "unevaluatedProperties")]
    [InlineData("""{"format":"regex","type":"string"}""", "format")]
    [InlineData("""{"type":"string","pattern":"a\\b"}""", "pattern")]
    [InlineData("""{"type":"string","pattern":"(?<=a)b"}""", "pattern")]
    [InlineData("""{"type":"string","pattern":"(?i)b"}""", "pattern")]
    [InlineData("""{"type":"object","minProperties":5}""", "minProperties")]
    [InlineData("""{"type":"number","multipleOf":0.000001234567}""", "multipleOf")]
    [InlineData("""{"$dynamicRef":"#x","$defs":{"a":{"$dynamicAnchor":"x"},"b":{"$dynamicAnchor":"x"}}}""", "$dynamicRef")]
    [InlineData("""{"$ref":"other.json"}""", "$ref")]
    [InlineData("""{"type":"array","allOf":[{"contains":{"const":1}},{"contains":{"const":2}}]}""", "contains")]
    [InlineData("""{"not":{"const":[1]},"type":"array"}""", "const")]
    [InlineData("""{"$schema":"urn:mine"}""", "$schema")]
    public void What_cannot_be_enforced_is_refused_by_its_name(string schema, string keyword)
    {
        SchemaNotSupportedException error = Assert.Throws<SchemaNotSupportedException>(() => new ConstraintCompiler().FromJsonSchema(JsonDocument.Parse(schema).RootElement));
        Assert.Equal(keyword, error.Keyword);
        Assert.Contains($"'{keyword}'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("root ::= \"a\"\nb := \"c\"", "line 2, column 3")]
    [InlineData("root ::= \"a", "line 1, column 10")]
    [InlineData("root ::= [a-", "line 1, column 10")]
    [InlineData("root ::= \"a\"\n  | missing", "line 2, column 12")]
    [InlineData("root ::= \"a\"{4,2}", "line 1, column 18")]
    [InlineData("root ::= \"\\q\"", "line 1, column 13")]
    [InlineData("start ::= \"a\"", "line 1, column 14")]
    public void Errors_of_grammars_name_line_and_column(string grammar, string position)
    {
        ConstraintSyntaxException error = Assert.Throws<ConstraintSyntaxException>(() => new ConstraintCompiler().FromGrammar(grammar));
        Assert.Equal(position, error.Position);
    }

    [Fact]
    public void Left_recursion_is_refused_and_ambiguity_is_followed()
    {
        SchemaNotSupportedException error = Assert.Throws<SchemaNotSupportedException>(() => new ConstraintCompiler().FromGrammar("root ::= root \"a\" | \"b\""));
        Assert.Equal("root", error.Keyword);
        Constraint ambiguous = new ConstraintCompiler().FromGrammar("root ::= (\"a\" | \"aa\" | \"aaa\")+ \"b\"");
        Assert.True(Documents.Accepts(ambiguous, Repeat("a", 500) + "b"));
        Constraint long1 = new ConstraintCompiler().FromGrammar("root ::= \"ab\"{1000000000}");
        Assert.Throws<ArgumentOutOfRangeException>(() => long1.EnsureFits(10_000));
    }

    [Fact]
    public void Long_expressions_do_not_overflow_the_small_stack_of_a_server_thread()
    {
        string[] patterns = [Repeat("a?", 9_000), $"(?:{Repeat("abc", 6_000)})*x", Repeat("(", 190) + "a" + Repeat(")*", 190), Repeat("(?=a)", 3_000), Repeat("[ab]|", 8_000)];
        var failed = new StringBuilder();
        var thread = new Thread(
            () =>
            {
                foreach (string pattern in patterns)
                {
                    Exception? error = Record.Exception(() => new ConstraintCompiler().FromRegex(pattern));
                    if (error is not (null or SchemaNotSupportedException or ConstraintSyntaxException))
                        failed.Append(CultureInfo.InvariantCulture, $"{pattern[..20]}: {error}");
                }
            },
            256 << 10);
        thread.Start();
        thread.Join();
        Assert.Equal("", failed.ToString());
    }

    private static string AnyOf(int name, int ways) =>
        "{\"anyOf\":[" + string.Join(',', Enumerable.Range(0, ways).Select(w => $$$"""{"properties":{"p{{{name}}}":{"const":{{{w}}}}},"required":["p{{{name}}}"]}""")) + "]}";

    private static string Repeat(string text, int count) => new StringBuilder().Insert(0, text, count).ToString();
}
