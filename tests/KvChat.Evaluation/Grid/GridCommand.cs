using System.CommandLine;
using KvChat.Evaluation.Tasks;

namespace KvChat.Evaluation.Grid;

/// <summary>The command <c>grid</c>.</summary>
public static class GridCommand
{
    public static Command Create()
    {
        var model = new Option<string>("--model") { DefaultValueFactory = _ => "embedded", Description = "model file or folder, or 'embedded'" };
        var questions = new Option<FileInfo[]>("--questions") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "files of JSON lines: id, document, qa with question, answer, value" };
        var generate = new Option<string[]>("--generate") { CustomParser = r => OptionValues.Words(r, "--generate", TaskNames.All), DefaultValueFactory = _ => [], Description = $"tasks to be generated: {string.Join(", ", TaskNames.All)}" };
        var lengths = new Option<int[]>("--lengths") { CustomParser = OptionValues.Lengths, DefaultValueFactory = _ => [2000], Description = "tokens of generated documents, such as 1k,2k,4k" };
        var data = new Option<DirectoryInfo>("--data") { Description = "folder with LongBench's or RULER's published data" };
        var grid = new GridOptions();
        var limit = new Option<int>("--limit") { DefaultValueFactory = _ => 40, Description = "most questions of a set" };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1, Description = "seed of generated documents" };
        var text = new Option<int>("--text") { DefaultValueFactory = _ => 0, Description = "tokens of running text whose continuation is compared with the full cache's (KL divergence, same top token); 0 for none" };
        var textFile = new Option<FileInfo>("--text-file") { Description = "the running text; left out, a generated one" };
        var passages = new Option<int>("--text-passages") { DefaultValueFactory = _ => 1, Description = "passages of the running text, spread evenly over it" };
        var match = new Option<string>("--match") { DefaultValueFactory = _ => "exact", Description = "answers of ledgers and question files equal `answer`, or contain `value`" };
        var cache = new Option<int>("--cache-mb") { DefaultValueFactory = _ => 2048, Description = "KV budget of all sessions together" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 8, Description = "questions under way at once" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var output = new Option<DirectoryInfo>("--out") { DefaultValueFactory = _ => new DirectoryInfo("grid"), Description = "folder of the results; a run that was ended goes on there" };
        var minutes = new Option<double?>("--minutes") { Description = "time after which the run stops with exit code 3; the same command goes on" };
        var table = new Option<FileInfo>("--table") { Description = "the model's table of measured quality (MODEL.kvquality.json beside its file), to which rows of 40 questions or more are added" };
        var quick = new Option<bool>("--quick") { Description = "the small fixed grid with recorded floors; fails where quality is below one" };
        match.AcceptOnlyFromAmong("exact", "value");
        questions.AcceptExistingOnly();
        data.AcceptExistingOnly();
        textFile.AcceptExistingOnly();
        foreach (Option<int> option in (Option<int>[])[limit, cache, sessions, passages])
            option.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int>(), option.Name, r.AddError));
        text.Validators.Add(r => OptionValues.AtLeast(0, r.GetValueOrDefault<int>(), text.Name, r.AddError));
        minutes.Validators.Add(r => OptionValues.AtLeast(0.01, r.GetValueOrDefault<double?>() ?? 1, minutes.Name, r.AddError));
        var command = new Command("grid", "Quality, bytes and likeness to the full cache over policies, shares and formats; writes CSV, Markdown and SVG.")
        {
            model, questions, generate, lengths, data, limit, seed, text, textFile, passages, match, cache, sessions, threads, output, minutes, table, quick,
        };
        grid.AddTo(command);
        command.SetAction((parsed, token) => GridJob.RunAsync(
            new GridSettings
            {
                Model = parsed.GetValue(model)!,
                Output = parsed.GetValue(output)!.FullName,
                Questions = [.. parsed.GetValue(questions)!.Select(f => f.FullName)],
                Generate = parsed.GetValue(generate)!,
                Lengths = parsed.GetValue(lengths)!,
                Data = parsed.GetValue(data)?.FullName,
                Table = parsed.GetValue(table)?.FullName,
                Axes = grid.Read(parsed),
                Limit = parsed.GetValue(limit),
                Seed = parsed.GetValue(seed),
                TextTokens = parsed.GetValue(text),
                TextFile = parsed.GetValue(textFile)?.FullName,
                TextPassages = parsed.GetValue(passages),
                MatchValue = parsed.GetValue(match) == "value",
                MostTime = parsed.GetValue(minutes) is { } most ? TimeSpan.FromMinutes(most) : null,
                CacheBytes = (long)parsed.GetValue(cache) << 20,
                Sessions = parsed.GetValue(sessions),
                Threads = parsed.GetValue(threads),
            },
            parsed.GetValue(quick),
            token));
        return command;
    }
}
