using System.Text;
using System.Text.Json;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;
using KvChat.Tests.StructuredOutput;
using KvChat.Tools;
using Microsoft.Extensions.AI;

namespace KvChat.Tests.Tools;

/// <summary>Which texts are calls.</summary>
public sealed class ToolGrammarTests
{
    private const string Schema = """
        {"type":"object","properties":{"code":{"type":"string"},"limit":{"type":"integer"},"where":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"required":["x","y"]}},"required":["code","limit"]}
        """;

    [Theory]
    [InlineData("""{"code": "a", "limit": 1}""", true)]
    [InlineData("""{"limit": 1, "code": "a"}""", true)]
    [InlineData("""{"where": {"y": 1, "x": 2}, "limit": 1, "code": "a"}""", true)]
    [InlineData("""{"limit": 1}""", false)]
    [InlineData("""{"limit": 1, "limit": 2, "code": "a"}""", false)]
    [InlineData("""{"limit": 1, "code": "a", "other": 2}""", false)]
    [InlineData("""{"where": {"y": 1}, "limit": 1, "code": "a"}""", false)]
    public void Arguments_may_come_in_any_order_and_must_match_the_schema(string arguments, bool isCall)
    {
        Assert.Equal(isCall, IsCall(Schema, "find_ticket", $"<tool_call>\n{{\"name\": \"find_ticket\", \"arguments\": {arguments}}}\n</tool_call>"));
    }

    [Theory]
    [InlineData("prüfe_日本", "prüfe_日本")]
    [InlineData("a\"b", "a\\\"b")]
    public void Names_are_written_as_templates_show_them(string name, string written) =>
        Assert.True(IsCall("""{"type":"object"}""", name, $"<tool_call>\n{{\"name\": \"{written}\", \"arguments\": {{}}}}\n</tool_call>"));

    [Fact]
    public void Any_order_of_many_properties_costs_no_more_than_what_is_written()
    {
        string properties = string.Join(',', Enumerable.Range(0, 300).Select(i => $"\"property_{i}\":{{\"type\":\"integer\"}}"));
        string required = string.Join(',', Enumerable.Range(0, 300).Select(i => $"\"property_{i}\""));
        Constraint constraint = Grammar($"{{\"type\":\"object\",\"properties\":{{{properties}}},\"required\":[{required}]}}", "set");
        string arguments = string.Join(", ", Enumerable.Range(0, 300).Select(i => $"\"property_{(i * 7) % 300}\": {i}"));
        ConstraintMatcher matcher = constraint.Match();
        Assert.True(matcher.TryAdvance(Encoding.UTF8.GetBytes($"<tool_call>\n{{\"name\": \"set\", \"arguments\": {{{arguments}}}}}\n</tool_call>")));
        Assert.True(matcher.IsComplete);
        var logits = new float[EmbeddedVocabulary.Tokenizer.VocabularySize];
        Assert.True(new TokenConstraint(EmbeddedVocabulary.Masker, EmbeddedVocabulary.Tokenizer, constraint, 100_000).Apply(logits));
    }

    [Theory]
    [InlineData("[TOOL_CALLS]find[ARGS]{\"limit\": 1, \"code\": \"a\"}", true)]
    [InlineData("[TOOL_CALLS]other[ARGS]{\"limit\": 1, \"code\": \"a\"}", false)]
    [InlineData("[TOOL_CALLS]find[ARGS]{\"limit\": 1}", false)]
    public void Names_may_stand_before_their_arguments(string text, bool isCall)
    {
        ConstraintMatcher matcher = Grammar(Schema, "find", ToolCallSyntax.Devstral).Match();
        Assert.Equal(isCall, matcher.TryAdvance(Encoding.UTF8.GetBytes(text)) && matcher.IsComplete);
    }

    private static bool IsCall(string schema, string name, string text)
    {
        ConstraintMatcher matcher = Grammar(schema, name).Match();
        return matcher.TryAdvance(Encoding.UTF8.GetBytes(text)) && matcher.IsComplete;
    }

    private static Constraint Grammar(string schema, string name, ToolCallSyntax? syntax = null)
    {
        AITool tool = AIFunctionFactory.CreateDeclaration(name, "Does it.", JsonDocument.Parse(schema).RootElement);
        return ToolCallGrammar.Answer(syntax ?? ToolCallSyntax.Hermes, ToolSettings.Read(new ChatOptions { Tools = [tool], AllowMultipleToolCalls = false })!);
    }
}
