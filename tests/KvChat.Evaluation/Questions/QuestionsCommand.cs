using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using KvChat.Evaluation.Grid;
using KvChat.Kernels.Cpu;
using KvChat.Quality;
using KvChat.Runtime.Models;

namespace KvChat.Evaluation.Questions;

/// <summary>The command <c>questions</c>.</summary>
public static class QuestionsCommand
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    public static Command Create()
    {
        var model = new Option<string>("--model") { Required = true, Description = "GGUF file, or 'embedded'" };
        var questions = new Option<FileInfo>("--questions") { Required = true, Description = "JSON lines: id, document, qa with question, answer, value" };
        var grid = new GridOptions();
        var match = new Option<string>("--match") { DefaultValueFactory = _ => "exact", Description = "the answer equals `answer`, or contains `value`" };
        var limit = new Option<int?>("--limit") { Description = "most questions: question 1 of every document, then question 2, and so on" };
        var turns = new Option<int>("--turns") { DefaultValueFactory = _ => 1, Description = "questions of a session, one after another" };
        var highShare = new Option<double?>("--high-share") { Description = "share of the budget for KVs in --format where there is a --low-format" };
        var drop = new Option<double?>("--drop-threshold") { Description = "LeanKV's a_l in place of shares: what lies below it over the tokens seen is dropped; with --policy leankv and one --retained below 1" };
        var low = new Option<double?>("--low-threshold") { Description = "LeanKV's a_h: what lies below it over the tokens seen goes to the --low-format" };
        var pool = new Option<int?>("--pool") { Description = "width of the max-pooling; left out: the model's default" };
        var window = new Option<int?>("--window") { Description = "observation window in tokens" };
        var chunk = new Option<int?>("--chunk") { Description = "tokens between two compressions while reading" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var activations = new Option<ActivationPrecision>("--activations") { DefaultValueFactory = _ => ActivationPrecision.Int8, Description = "how activations enter quantised products" };
        var cache = new Option<int>("--cache-mb") { DefaultValueFactory = _ => 2048, Description = "KV budget of all sessions together" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 16, Description = "sessions under way at once" };
        var json = new Option<FileInfo?>("--json") { Description = "where the rows go as JSON" };
        var table = new Option<FileInfo?>("--table") { Description = "the model's table of measured quality (MODEL.kvquality.json beside its file), to which what later turns keep is added; with --turns 2 or more" };
        questions.AcceptExistingOnly();
        match.AcceptOnlyFromAmong("exact", "value");
        foreach (Option<int> option in (Option<int>[])[turns, cache, sessions])
            option.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int>(), option.Name, r.AddError));
        limit.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int?>() ?? 1, limit.Name, r.AddError));
        var command = new Command("questions", "Share of right answers about long documents, against the share of KVs that is kept.")
        {
            model, questions, match, limit, turns, highShare, drop, low, pool, window, chunk, threads, activations, cache, sessions, json, table,
        };
        grid.AddTo(command);
        command.SetAction((parsed, token) => RunAsync(
            new QuestionSettings
            {
                Model = parsed.GetValue(model)!,
                Questions = parsed.GetValue(questions)!.FullName,
                Axes = grid.Read(parsed),
                Match = parsed.GetValue(match) == "exact" ? AnswerMatch.Exact : AnswerMatch.Value,
                Limit = parsed.GetValue(limit),
                Turns = parsed.GetValue(turns),
                HighShare = parsed.GetValue(highShare),
                DropThreshold = parsed.GetValue(drop),
                LowThreshold = parsed.GetValue(low),
                PoolWidth = parsed.GetValue(pool),
                Window = parsed.GetValue(window),
                Chunk = parsed.GetValue(chunk),
                Threads = parsed.GetValue(threads),
                Activations = parsed.GetValue(activations),
                CacheBytes = (long)parsed.GetValue(cache) << 20,
                Sessions = parsed.GetValue(sessions),
                Table = parsed.GetValue(table)?.FullName,
            },
            parsed.GetValue(json),
            token));
        return command;
    }

    private static async Task<int> RunAsync(QuestionSettings settings, FileInfo? json, CancellationToken cancellationToken)
    {
        IReadOnlyList<QuestionRow> rows;
        try
        {
            settings.ValidateTable();
            foreach (GridCell cell in settings.Cells)
                settings.Compression(cell).Validate();
            rows = await MeasureAsync(settings, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is ArgumentException or FormatException or IOException or ModelFileException)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 2;
        }

        Console.WriteLine("policy              allocator  format     retained  turn  asked  right  of full cache's  KV MB peak  KV MB kept  seconds");
        foreach (QuestionRow row in rows)
        {
            Console.WriteLine(
                $"{row.Policy,-18}  {row.Allocator,-9}  {row.Format + (row.LowFormat is { } low ? $"-{low}" : ""),-9}  {row.Retained,8:0.####}  {row.Turn,4}  {row.Asked,5}  {row.Right,5}  {(row.RightOfFullCache is { } share ? $"{share:P1}" : "-"),15}"
                + $"  {row.KvBytesPeak / 1e6,10:0.00}  {row.KvBytesKept / 1e6,10:0.00}  {row.Seconds,7:0.0}");
        }

        if (json is not null)
            await File.WriteAllTextAsync(json.FullName, JsonSerializer.Serialize(rows, s_json), cancellationToken).ConfigureAwait(false);
        return 0;
    }

    /// <summary>Every setting in turn; the full cache in F16 first, because the others are compared with it.</summary>
    private static async Task<IReadOnlyList<QuestionRow>> MeasureAsync(QuestionSettings settings, CancellationToken cancellationToken)
    {
        IReadOnlyList<QuestionSession> sessions = QuestionFile.Sessions(QuestionFile.Read(settings.Questions), settings.Limit, settings.Turns);
        int questions = sessions.Sum(s => s.Questions.Count);
        await using var client = KvCompressChatClient.Load(new KvCompressChatOptions
        {
            Model = settings.Model,
            CacheBytes = settings.CacheBytes,
            Threads = settings.Threads,
            Activations = settings.Activations,
            HoldFinishedSequences = settings.Turns > 1,
            MaxQueuedRequests = Math.Max(256, settings.Sessions),
        });
        var runner = new QuestionRunner(client, settings);
        var measured = new Dictionary<GridCell, (IReadOnlyList<QuestionOutcome> Outcomes, double Seconds)>();
        foreach (GridCell cell in settings.Cells.SelectMany(c => (GridCell[])[c.Reference(), c]).Distinct().OrderBy(c => !c.IsFull))
        {
            var progress = new ProgressLine(cell.Key, questions);
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<QuestionOutcome> outcomes = await runner.RunAsync(sessions, settings.Compression(cell), o => progress.Step(o.Right), cancellationToken).ConfigureAwait(false);
            measured[cell] = (outcomes, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        if (settings.Table is { } table)
            AddLaterTurns(table, settings, (LoadedModel)client.GetService(typeof(LoadedModel))!, [.. sessions.Select(s => s.Document).Distinct()], c => measured[c].Outcomes);
        return [.. settings.Cells.SelectMany(cell => QuestionRow.Of(cell, measured[cell].Outcomes, measured[cell.Reference()].Outcomes, measured[cell].Seconds))];
    }

    private static void AddLaterTurns(
        string table, QuestionSettings settings, LoadedModel model, QuestionDocument[] documents, Func<GridCell, IReadOnlyList<QuestionOutcome>> outcomes)
    {
        string set = Path.GetFileNameWithoutExtension(settings.Questions);
        int tokens = (int)documents.Average(d => model.Tokenizer.Encode(d.Document, allowSpecial: false).Ids.Length);
        IEnumerable<QualityRow?> rows = settings.Cells.Where(c => !c.IsFull && c.Allocator is null).Select(c => LaterTurns.Row(set, tokens, c, outcomes(c), outcomes(c.Reference())));
        GridTable.Add(table, model.Name, $"questions --turns {settings.Turns}", rows.OfType<QualityRow>());
    }
}
