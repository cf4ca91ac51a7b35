using System.Diagnostics;
using System.Text;
using System.Text.Json;
using KvChat.StructuredOutput;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Tools;

/// <summary>Asks rows through the chat client, as an application would, and judges the calls.</summary>
internal sealed class ToolRunner(IChatClient client, int sessions)
{
    private const int MostTokens = 512;

    private readonly ConstraintCompiler _schemas = new(new ConstraintOptions { PropertyOrder = PropertyOrder.Any });

    /// <summary>Asks all rows of a mode greedily; where calls are required, the rows that have some.</summary>
    public async Task<ToolCounts> RunAsync(IReadOnlyList<ToolRow> all, bool required, Action<ToolRow, bool, IReadOnlyList<FunctionCallContent>> judged, CancellationToken cancellationToken)
    {
        ToolRow[] rows = [.. all.Where(r => !required || r.Calls.Count > 0)];
        int exact = 0, valid = 0;
        long start = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = sessions, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(rows, parallel, async (row, token) =>
        {
            var options = new ChatOptions { Tools = [.. row.Tools], ToolMode = required ? ChatToolMode.RequireAny : ChatToolMode.Auto, Temperature = 0, MaxOutputTokens = MostTokens };
            ChatResponse response = await client.GetResponseAsync(row.Messages, options, token).ConfigureAwait(false);
            FunctionCallContent[] calls = [.. response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>()];
            bool isExact = IsExact(row, calls);
            bool isValid = row.Calls.Count == 0 || ((calls.Length > 0 || !required) && Array.TrueForAll(calls, c => IsValid(row, c)));
            Interlocked.Add(ref exact, isExact ? 1 : 0);
            Interlocked.Add(ref valid, isValid ? 1 : 0);
            judged(row, isExact, calls);
        }).ConfigureAwait(false);
        return new ToolCounts { Mode = required ? "require-any" : "auto", Asked = rows.Length, Exact = exact, Valid = valid, Seconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 2) };
    }

    /// <summary>Whether the calls are those of the row, in order.</summary>
    internal static bool IsExact(ToolRow row, IReadOnlyList<FunctionCallContent> calls) =>
        calls.Count == row.Calls.Count && calls.Zip(row.Calls).All(p => p.First.Name == p.Second.Name && JsonElement.DeepEquals(Arguments(p.First), p.Second.Arguments));

    /// <summary>Whether a call's arguments match the schema of its tool.</summary>
    internal bool IsValid(ToolRow row, FunctionCallContent call)
    {
        if (call.Exception is not null || row.Tools.OfType<AIFunctionDeclaration>().FirstOrDefault(t => t.Name == call.Name) is not { } tool)
            return false;
        ConstraintMatcher matcher = _schemas.FromJsonSchema(tool.JsonSchema).Match();
        return matcher.TryAdvance(Encoding.UTF8.GetBytes(Arguments(call).GetRawText())) && matcher.IsComplete;
    }

    private static JsonElement Arguments(FunctionCallContent call) =>
        JsonSerializer.SerializeToElement(call.Arguments ?? new Dictionary<string, object?>(), s_compact);

    private static readonly JsonSerializerOptions s_compact = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };
}
