using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Tools;

/// <summary>The command <c>tools</c>.</summary>
public static class ToolsCommand
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var model = new Option<string>("--model") { Required = true, Description = "GGUF file, or 'embedded'" };
        var questions = new Option<FileInfo>("--questions") { Required = true, Description = "JSON lines: id, tools, messages, calls" };
        var json = new Option<FileInfo?>("--json") { Description = "where the counts go as JSON" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 8, Description = "rows under way at once" };
        var wrong = new Option<bool>("--wrong") { Description = "print the rows whose calls are not those of the file" };
        questions.AcceptExistingOnly();
        sessions.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<int>() < 1)
                r.AddError($"--sessions is {r.GetValueOrDefault<int>()}; it must be 1 or more.");
        });
        var command = new Command("tools", "Calls of tools: whether they are the right ones, and whether their arguments match the schemas.") { model, questions, json, sessions, wrong };
        command.SetAction((parsed, token) => RunAsync(
            parsed.GetValue(model)!, parsed.GetValue(questions)!, parsed.GetValue(json), parsed.GetValue(sessions), parsed.GetValue(wrong), token));
        return command;
    }

    private static async Task<int> RunAsync(string model, FileInfo questions, FileInfo? json, int sessions, bool wrong, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<ToolRow> rows = ToolRow.ReadAll(questions.FullName);
            var options = new KvCompressChatOptions { Model = model, Compression = KvCompression.Off, CacheBytes = 1L << 30 };
            KvCompressChatClient client = await KvCompressChatClient.LoadAsync(options, cancellationToken: cancellationToken).ConfigureAwait(false);
            await using (client.ConfigureAwait(false))
            {
                var runner = new ToolRunner(client, sessions);
                List<ToolCounts> counts = [];
                foreach (bool required in (bool[])[false, true])
                {
                    counts.Add(await runner.RunAsync(rows, required, (row, exact, calls) => Show(wrong && !exact, row, calls), cancellationToken).ConfigureAwait(false));
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{counts[^1].Mode}: asked {counts[^1].Asked}, exact {counts[^1].Exact}, valid {counts[^1].Valid}, {counts[^1].Seconds} s"));
                }

                if (json is not null)
                    await File.WriteAllTextAsync(json.FullName, JsonSerializer.Serialize(counts, s_json), cancellationToken).ConfigureAwait(false);
            }

            return 0;
        }
        catch (Exception error) when (error is IOException or FormatException or Runtime.Models.ModelFileException or Models.ModelNotFoundException)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }

    private static void Show(bool show, ToolRow row, IReadOnlyList<FunctionCallContent> calls)
    {
        if (show)
            Console.WriteLine($"{row.Id}: {string.Join("; ", calls.Select(c => $"{c.Name}({JsonSerializer.Serialize(c.Arguments, AIJsonUtilities.DefaultOptions)})"))}");
    }
}
