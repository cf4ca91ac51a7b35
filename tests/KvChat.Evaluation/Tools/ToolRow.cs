using System.Text.Json;
using KvChat.Evaluation.Golden;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Tools;

/// <summary>One request with tools, and the calls that a good answer makes.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Tools">What may be called.</param>
/// <param name="Messages">The conversation.</param>
/// <param name="Calls">Name and arguments, in order; empty where nothing should be called.</param>
internal sealed record ToolRow(string Id, IReadOnlyList<AITool> Tools, IReadOnlyList<ChatMessage> Messages, IReadOnlyList<(string Name, JsonElement Arguments)> Calls)
{
    /// <summary>Reads a file of rows.</summary>
    /// <exception cref="FormatException">A line is not as it should be; the message names it.</exception>
    public static IReadOnlyList<ToolRow> ReadAll(string path)
    {
        List<ToolRow> rows = [];
        int line = 0;
        try
        {
            foreach (JsonElement row in Jsonl.Read(path))
            {
                line++;
                rows.Add(Read(row));
            }
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException($"{path}, row {line + (error is JsonException ? 1 : 0)}: {error.Message} A row is {{\"id\", \"tools\", \"messages\", \"calls\"}}.", error);
        }

        return rows.Count > 0 ? rows : throw new FormatException($"{path} has no rows.");
    }

    private static ToolRow Read(JsonElement row) => new(
        row.Text("id"),
        [.. row.GetProperty("tools").EnumerateArray().Select(t => Tool(t.GetProperty("function")))],
        [.. row.GetProperty("messages").EnumerateArray().Select(m => new ChatMessage(new ChatRole(m.Text("role")), m.Text("content")))],
        [.. row.GetProperty("calls").EnumerateArray().Select(c => (c.Text("name"), c.GetProperty("arguments")))]);

    private static AIFunctionDeclaration Tool(JsonElement function) => AIFunctionFactory.CreateDeclaration(
        function.Text("name"), function.TryGetProperty("description", out JsonElement told) ? told.GetString() : null, function.GetProperty("parameters"));
}
