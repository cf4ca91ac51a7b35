using System.Collections.Concurrent;
using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using KvChat.Evaluation.Questions;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Evaluation.Schemas;

/// <summary>The command <c>json-schema</c>.</summary>
public static class JsonSchemaCommand
{
    private static readonly JsonSerializerOptions s_lines = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // for people to read
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static Command Create()
    {
        var data = new Option<DirectoryInfo>("--data") { Required = true, Description = "folder of MaskBench's files: schema, tests with data and valid" };
        var model = new Option<FileInfo>("--model") { Required = true, Description = "GGUF file whose vocabulary is masked" };
        var json = new Option<FileInfo?>("--json") { Description = "where the counts go as JSON" };
        var errors = new Option<FileInfo?>("--errors") { Description = "where each schema goes with its verdict, its times and the error, as JSON lines" };
        var only = new Option<string?>("--only") { Description = "names of files must contain this" };
        var every = new Option<int>("--every") { DefaultValueFactory = _ => 1, Description = "take each N-th file only" };
        var order = new Option<string>("--order") { DefaultValueFactory = _ => "any", Description = "properties in any order, as JSON schema has it, or in the schema's, as answers are written by default" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 1, Description = "schemas at once; more than one makes the times worse" };
        var timeout = new Option<int>("--timeout-seconds") { DefaultValueFactory = _ => 900, Description = "most seconds for one schema, as in MaskBench" };
        order.AcceptOnlyFromAmong("any", "schema");
        data.AcceptExistingOnly();
        model.AcceptExistingOnly();
        foreach (Option<int> option in (Option<int>[])[every, threads, timeout])
        {
            option.Validators.Add(r =>
            {
                if (r.GetValueOrDefault<int>() < 1)
                    r.AddError($"{option.Name} is {r.GetValueOrDefault<int>()}; it must be 1 or more.");
            });
        }

        var command = new Command("json-schema", "Schemas and instances of MaskBench: what compiles, what is judged rightly, and what masks cost.") { data, model, json, errors, only, every, order, threads, timeout };
        command.SetAction((parsed, token) => RunAsync(
            Files(parsed.GetValue(data)!, parsed.GetValue(only) ?? "", parsed.GetValue(every)),
            parsed.GetValue(model)!,
            new ConstraintOptions { PropertyOrder = parsed.GetValue(order) == "any" ? PropertyOrder.Any : PropertyOrder.Schema },
            parsed.GetValue(threads),
            TimeSpan.FromSeconds(parsed.GetValue(timeout)),
            parsed.GetValue(json),
            parsed.GetValue(errors),
            token));
        return command;
    }

    private static string[] Files(DirectoryInfo data, string only, int every) =>
        [.. data.EnumerateFiles("*.json").Select(f => f.FullName).Where(f => Path.GetFileName(f).Contains(only, StringComparison.Ordinal)).Order(StringComparer.Ordinal).Where((_, i) => i % every == 0)];

    private static async Task<int> RunAsync(string[] files, FileInfo model, ConstraintOptions options, int threads, TimeSpan limit, FileInfo? json, FileInfo? errors, CancellationToken cancellationToken)
    {
        Tokenizer tokenizer;
        try
        {
            using GgufFile file = GgufFile.Open(model.FullName);
            tokenizer = TokenizerFactory.FromGguf(file.Metadata);
        }
        catch (Exception error) when (error is ModelFileException or IOException)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 2;
        }

        if (files.Length == 0)
        {
            await Console.Error.WriteLineAsync("--data holds no .json files of such names.").ConfigureAwait(false);
            return 2;
        }

        var runner = new SchemaRunner(tokenizer, new TokenMasker(tokenizer), options, limit);
        var outcomes = new ConcurrentQueue<SchemaOutcome>();
        var progress = new ProgressLine("json-schema", files.Length);
        Parallel.ForEach(files, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellationToken }, path =>
        {
            SchemaOutcome outcome = runner.Run(path);
            outcomes.Enqueue(outcome);
            progress.Step(outcome.Verdict == SchemaVerdict.Passing);
        });

        MaskReport report = MaskReport.Of(outcomes);
        Console.WriteLine($"schemas {report.Schemas}, passing {report.Passing}, compile errors {report.CompileErrors}, validation errors {report.ValidationErrors}, "
            + $"invalidation errors {report.InvalidationErrors}, crashes {report.Crashes}, time-outs {report.Timeouts}");
        Console.WriteLine($"mask us:       {report.MaskMicroseconds}");
        Console.WriteLine($"first mask us: {report.FirstMaskMicroseconds}");
        if (json is not null)
            await File.WriteAllTextAsync(json.FullName, report.ToJson(), cancellationToken).ConfigureAwait(false);
        if (errors is not null)
            await File.WriteAllLinesAsync(errors.FullName, Lines(outcomes), cancellationToken).ConfigureAwait(false);
        return report.InvalidationErrors + report.Crashes + report.Timeouts == 0 ? 0 : 1;
    }

    private static IEnumerable<string> Lines(IEnumerable<SchemaOutcome> outcomes) => outcomes.OrderBy(o => o.File, StringComparer.Ordinal)
        .Select(o => JsonSerializer.Serialize(new { o.File, o.Verdict, o.Detail, o.FirstMask, o.Compile, Tokens = o.Masks.Count, MaskSum = o.Masks.Sum(), MaskWorst = o.Masks.DefaultIfEmpty().Max() }, s_lines));
}
