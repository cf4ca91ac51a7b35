using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Questions;

/// <summary>The command <c>questions</c>.</summary>
public static class QuestionsCommand
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    public static Command Create()
    {
        var model = new Option<string>("--model") { Required = true, Description = "GGUF file, or 'embedded'" };
        var questions = new Option<FileInfo>("--questions") { Required = true, Description = "JSON lines: id, document, qa with question, answer, value" };
        var policy = new Option<string>("--policy") { DefaultValueFactory = _ => "kv-compress", Description = "compression" };
        var retained = new Option<double[]>("--retained") { CustomParser = OptionValues.Shares, DefaultValueFactory = _ => [1, 0.5, 0.25, 0.125], Description = "shares of KVs kept, with commas between; 1 is the full cache" };
        var query = new Option<string>("--query") { DefaultValueFactory = _ => "known", Description = "whether the question chooses what is kept" };
        var schedule = new Option<string>("--schedule") { DefaultValueFactory = _ => "after", Description = "compress after the prompt, or during its reading" };
        var match = new Option<string>("--match") { DefaultValueFactory = _ => "exact", Description = "the answer equals `answer`, or contains `value`" };
        var limit = new Option<int?>("--limit") { Description = "most questions: question 1 of every document, then question 2, and so on" };
        var turns = new Option<int>("--turns") { DefaultValueFactory = _ => 1, Description = "questions of a session, one after another" };
        var format = new Option<KvFormat>("--format") { DefaultValueFactory = _ => KvFormat.F16, Description = "how KVs are stored" };
        var lowFormat = new Option<KvFormat?>("--low-format") { Description = "how KVs are stored that matter less; left out: all alike" };
        var highShare = new Option<double?>("--high-share") { Description = "share of the budget for KVs in --format where there is a --low-format" };
        var pool = new Option<int?>("--pool") { Description = "width of the max-pooling; left out: the model's default" };
        var window = new Option<int?>("--window") { Description = "observation window in tokens" };
        var chunk = new Option<int?>("--chunk") { Description = "tokens between two compressions while reading" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var activations = new Option<ActivationPrecision>("--activations") { DefaultValueFactory = _ => ActivationPrecision.Int8, Description = "how activations enter quantised products" };
        var cache = new Option<int>("--cache-mb") { DefaultValueFactory = _ => 2048, Description = "KV budget of all sessions together" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 16, Description = "sessions under way at once" };
        var json = new Option<FileInfo?>("--json") { Description = "where the rows go as JSON" };
        questions.AcceptExistingOnly();
        policy.AcceptOnlyFromAmong([.. CompressionPolicies.Names]);
        query.AcceptOnlyFromAmong("known", "unknown");
        schedule.AcceptOnlyFromAmong("after", "during");
        match.AcceptOnlyFromAmong("exact", "value");
        foreach (Option<int> option in (Option<int>[])[turns, cache, sessions])
            option.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int>(), option.Name, r.AddError));
        limit.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int?>() ?? 1, limit.Name, r.AddError));
        var command = new Command("questions", "Share of right answers about long documents, against the share of KVs that is kept.")
        {
            model, questions, policy, retained, query, schedule, match, limit, turns, format, lowFormat, highShare, pool, window, chunk, threads, activations, cache, sessions, json,
        };
        command.SetAction((parsed, token) => RunAsync(
            new QuestionSettings
            {
                Model = parsed.GetValue(model)!,
                Questions = parsed.GetValue(questions)!.FullName,
                Policy = parsed.GetValue(policy)!,
                Retained = parsed.GetValue(policy) == "off" ? [1] : parsed.GetValue(retained)!,
                Query = parsed.GetValue(query) == "known" ? CompressionQuery.Known : CompressionQuery.Unknown,
                Schedule = parsed.GetValue(schedule) == "after" ? CompressionSchedule.AfterPrompt : CompressionSchedule.WhileReading,
                Match = parsed.GetValue(match) == "exact" ? AnswerMatch.Exact : AnswerMatch.Value,
                Limit = parsed.GetValue(limit),
                Turns = parsed.GetValue(turns),
                Format = parsed.GetValue(format),
                LowFormat = parsed.GetValue(lowFormat),
                HighShare = parsed.GetValue(highShare),
                PoolWidth = parsed.GetValue(pool),
                Window = parsed.GetValue(window),
                Chunk = parsed.GetValue(chunk),
                Threads = parsed.GetValue(threads),
                Activations = parsed.GetValue(activations),
                CacheBytes = (long)parsed.GetValue(cache) << 20,
                Sessions = parsed.GetValue(sessions),
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
            foreach (double share in settings.Retained)
                settings.Compression(share).Validate();
            rows = await MeasureAsync(settings, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is ArgumentException or FormatException or IOException or Runtime.Models.ModelFileException)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 2;
        }

        Console.WriteLine("policy       retained  turn  asked  right  of full cache's  KV MB peak  KV MB kept  seconds");
        foreach (QuestionRow row in rows)
        {
            Console.WriteLine(
                $"{row.Policy,-12} {row.Retained,8:0.####}  {row.Turn,4}  {row.Asked,5}  {row.Right,5}  {(row.RightOfFullCache is { } share ? $"{share:P1}" : "-"),15}"
                + $"  {row.KvBytesPeak / 1e6,10:0.00}  {row.KvBytesKept / 1e6,10:0.00}  {row.Seconds,7:0.0}");
        }

        if (json is not null)
            await File.WriteAllTextAsync(json.FullName, JsonSerializer.Serialize(rows, s_json), cancellationToken).ConfigureAwait(false);
        return 0;
    }

    /// <summary>Every setting in turn; the full cache first, because the others are compared with it.</summary>
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
        var measured = new Dictionary<double, (IReadOnlyList<QuestionOutcome> Outcomes, double Seconds)>();
        foreach (double share in settings.Retained.Append(1).Distinct().OrderByDescending(s => s))
        {
            KvCompression compression = settings.Compression(share);
            var progress = new ProgressLine(compression.IsOff ? "full cache" : $"{settings.Policy} {share.ToString("0.####", CultureInfo.InvariantCulture)}", questions);
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<QuestionOutcome> outcomes = await runner.RunAsync(sessions, compression, o => progress.Step(o.Right), cancellationToken).ConfigureAwait(false);
            measured[share] = (outcomes, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return [.. settings.Retained.SelectMany(share => QuestionRow.Of(settings, share, measured[share].Outcomes, measured[1].Outcomes, measured[share].Seconds))];
    }
}
