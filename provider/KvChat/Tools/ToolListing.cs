using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KvChat.Prompts;

namespace KvChat.Tools;

/// <summary>Tells a model of tools where its template does not: a listing for the system message, and results as a message of the user. Calls are then written as <see cref="ToolCallSyntax.Hermes"/>.</summary>
internal static class ToolListing
{
    private static readonly JsonDocumentOptions s_deep = new() { MaxDepth = Requests.OutsideJson.Deepest + 8 };

    /// <summary>The tools, one a line, and how to call them.</summary>
    public static string Of(ToolSettings tools)
    {
        var text = new StringBuilder("These tools are there, each a line of JSON between <tools> and </tools>:\n<tools>\n");
        foreach (JsonElement tool in tools.Declarations().EnumerateArray())
            text.Append(tool.GetRawText()).Append('\n');
        text.Append("</tools>\nTo call one, write its name and arguments as JSON between marks:\n<tool_call>\n{\"name\": \"NAME\", \"arguments\": {}}\n</tool_call>\n");
        return text.Append("The result comes between <tool_response> and </tool_response>.").ToString();
    }

    /// <summary>The tools as one line of JSON, without the wrapping that says that they are functions: what Phi-4-mini was trained on.</summary>
    public static string Plain(ToolSettings tools)
    {
        var list = new JsonArray();
        foreach (JsonElement tool in tools.Declarations().EnumerateArray())
            list.Add(JsonNode.Parse(tool.GetProperty("function").GetRawText(), documentOptions: s_deep));
        using JsonDocument document = JsonDocument.Parse(list.ToJsonString(), s_deep);
        return ToolContents.Compact(document.RootElement);
    }

    /// <summary>Stands before the result of a call.</summary>
    public const string ResultBegin = "<tool_response>\n";

    /// <summary>Stands behind it.</summary>
    public const string ResultEnd = "\n</tool_response>";
}
