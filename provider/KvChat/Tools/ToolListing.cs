using System.Text;
using System.Text.Json;

namespace KvChat.Tools;

/// <summary>Tells a model of tools where its template does not: a listing for the system message, and results as a message of the user. Calls are then written as <see cref="ToolCallSyntax.Hermes"/>.</summary>
internal static class ToolListing
{
    /// <summary>The tools, one a line, and how to call them.</summary>
    public static string Of(ToolSettings tools)
    {
        var text = new StringBuilder("These tools are there, each a line of JSON between <tools> and </tools>:\n<tools>\n");
        foreach (JsonElement tool in tools.Declarations().EnumerateArray())
            text.Append(tool.GetRawText()).Append('\n');
        text.Append("</tools>\nTo call one, write its name and arguments as JSON between marks:\n<tool_call>\n{\"name\": \"NAME\", \"arguments\": {}}\n</tool_call>\n");
        return text.Append("The result comes between <tool_response> and </tool_response>.").ToString();
    }

    /// <summary>The result of a call.</summary>
    public static string Result(string text) => $"<tool_response>\n{text}\n</tool_response>";
}
