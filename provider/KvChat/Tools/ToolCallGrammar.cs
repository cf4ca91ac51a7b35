using System.Text.Json;
using System.Text.Json.Nodes;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;
using KvChat.StructuredOutput.Schema;
using Microsoft.Extensions.AI;

namespace KvChat.Tools;

/// <summary>The language of calls: names are those of the tools, arguments match their schemas. Calls are spaced as templates print them, so that what comes back as history is what was written.</summary>
internal static class ToolCallGrammar
{
    /// <summary>Models were trained to write arguments in an order of their own, and forced into another they say things that they would not.</summary>
    private static readonly ConstraintOptions s_options = new() { PropertyOrder = PropertyOrder.Any };

    private static readonly JsonDocumentOptions s_deep = new() { MaxDepth = Requests.OutsideJson.Deepest + 8 };

    /// <summary>What follows <see cref="ToolCallSyntax.Begin"/>, up to and with <see cref="ToolCallSyntax.End"/>.</summary>
    /// <exception cref="SchemaNotSupportedException">A tool's schema cannot be enforced; the message names the tool.</exception>
    public static Constraint Block(ToolCallSyntax syntax, ToolSettings tools) => Settled(BlockPiece(syntax, tools));

    /// <summary>A whole answer that is calls and nothing else, marks included.</summary>
    /// <exception cref="SchemaNotSupportedException">A tool's schema cannot be enforced; the message names the tool.</exception>
    public static Constraint Answer(ToolCallSyntax syntax, ToolSettings tools) => Settled(AnswerPiece(syntax, tools));

    /// <summary>A whole answer that is either calls or a text of another language.</summary>
    public static Constraint AnswerOr(ToolCallSyntax syntax, ToolSettings tools, Piece other) => Settled(new Choice(AnswerPiece(syntax, tools), other));

    private static Constraint Settled(Piece piece)
    {
        PieceGraph.Settle(piece);
        return new Constraint(piece, "tool call");
    }

    private static Sequence AnswerPiece(ToolCallSyntax syntax, ToolSettings tools)
    {
        Piece block = BlockPiece(syntax, tools);
        if (syntax.Begin.Length == 0)
            return new Sequence(block);
        bool repeats = tools.Several && !syntax.IsArray;
        Piece first = new Sequence(Text(syntax.Begin), block);
        return repeats ? new Sequence(first, new Repetition(new Sequence(Text((syntax.End.Length > 0 ? "\n" : "") + syntax.Begin), block), 0, int.MaxValue)) : new Sequence(first);
    }

    private static Sequence BlockPiece(ToolCallSyntax syntax, ToolSettings tools)
    {
        var call = new Choice([.. tools.Callable.Select(t => Call(syntax, t))]);
        List<Piece> parts = syntax.Space.Length > 0 ? [Text(syntax.Space)] : [];
        if (syntax.IsArray)
        {
            parts.AddRange([Text("["), call]);
            if (tools.Several)
                parts.Add(new Repetition(new Sequence(Text(", "), call), 0, int.MaxValue));
            parts.Add(Text("]"));
        }
        else
        {
            parts.Add(call);
        }

        if (syntax.End.Length > 0)
            parts.Add(Text(syntax.Space + syntax.End));
        return new Sequence(parts);
    }

    private static Sequence Call(ToolCallSyntax syntax, AIFunctionDeclaration tool)
    {
        string name = ToolJson.Quoted(tool.Name);
        try
        {
            Piece arguments = SchemaCompiler.Compile(Closed(ToolSettings.Parameters(tool)), s_options);
            return syntax.Separator.Length > 0 ? new Sequence(Text(tool.Name + syntax.Separator), arguments) : new Sequence(
                Text($"{{\"name\": {name}, \"{syntax.Arguments}\": "), arguments, Text("}"));
        }
        catch (Exception error) when (error is SchemaNotSupportedException or ConstraintSyntaxException)
        {
            throw new NotSupportedException($"The parameters of tool \"{tool.Name}\" cannot be enforced: {error.Message}", error);
        }
    }

    /// <summary>A schema that lists its properties and says nothing of others means those: a function would ignore any other.</summary>
    private static JsonElement Closed(JsonElement schema)
    {
        if (JsonNode.Parse(schema.GetRawText(), documentOptions: s_deep) is not JsonObject root || root["properties"] is not JsonObject)
            return schema;
        foreach (string other in (string[])["additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "$ref", "if"])
        {
            if (root.ContainsKey(other))
                return schema;
        }

        root["additionalProperties"] = false;
        using JsonDocument document = JsonDocument.Parse(root.ToJsonString(), s_deep);
        return document.RootElement.Clone();
    }

    private static Lexeme Text(string text) => JsonLexemes.Compile(f => f.Text(text));
}
