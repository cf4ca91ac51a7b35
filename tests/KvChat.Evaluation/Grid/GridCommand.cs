using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using KvChat.Evaluation.Tasks;
using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>The command <c>grid</c>.</summary>
public static class GridCommand
{
    public static Command Create()
    {
        var model = new Option<string>("--model") { DefaultValueFactory = _ => "embedded", Description = "model file or folder, or 'embedded'" };
        var questions = new Option<FileInfo[]>("--questions") { AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [], Description = "files of JSON lines: id, document, qa with question, answer, value" };
        var generate = new Option<string[]>("--generate") { CustomParser = r => Words(r, TaskNames.All), DefaultValueFactory = _ => [], Description = $"tasks to be generated: {string.Join(", ", TaskNames.All)}" };
        var lengths = new Option<int[]>("--lengths") { CustomParser = Lengths, DefaultValueFactory = _ => [2000], Description = "tokens of generated documents, such as 1k,2k,4k" };
        var data = new Option<DirectoryInfo>("--data") { Description = "folder with LongBench's or RULER's published data" };
        var policy = new Option<string[]>("--policy") { CustomParser = r => Words(r, CompressionPolicies.Names), DefaultValueFactory = _ => ["kv-compress"], Description = $"policies: {string.Join(", ", CompressionPolicies.Names)}; or all" };
        var retained = new Option<double[]>("--retained") { CustomParser = OptionValues.Shares, DefaultValueFactory = _ => [1, 0.5, 0.25, 0.125], Description = "shares of KVs kept, such as 1,0.25,0.125" };
        var format = new Option<KvFormat[]>("--format") { CustomParser = Formats, DefaultValueFactory = _ => [KvFormat.F16], Description = $"formats of KVs: {string.Join(", ", Enum.GetNames<KvFormat>())}" };
        var query = new Option<string[]>("--query") { CustomParser = r => Words(r, ["known", "unknown"]), DefaultValueFactory = _ => ["known"], Description = "whether the question is known when the document is compressed" };
        var schedule = new Option<string>("--schedule") { DefaultValueFactory = _ => "after", Description = "compress after the prompt, or during its reading" };
        var limit = new Option<int>("--limit") { DefaultValueFactory = _ => 40, Description = "most questions of a set" };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1, Description = "seed of generated documents" };
        var text = new Option<int>("--text") { DefaultValueFactory = _ => 0, Description = "tokens of running text whose continuation is compared with the full cache's (KL divergence, same top token); 0 for none" };
        var textFile = new Option<FileInfo>("--text-file") { Description = "the running text; left out, a generated one" };
        var match = new Option<string>("--match") { DefaultValueFactory = _ => "exact", Description = "answers of question files equal `answer`, or contain `value`" };
        var cache = new Option<int>("--cache-mb") { DefaultValueFactory = _ => 2048, Description = "KV budget of all sessions together" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 8, Description = "questions under way at once" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        var output = new Option<DirectoryInfo>("--out") { DefaultValueFactory = _ => new DirectoryInfo("grid"), Description = "folder of the results; a run that was ended goes on there" };
        var quick = new Option<bool>("--quick") { Description = "the small fixed grid with recorded floors; fails where quality is below one" };
        schedule.AcceptOnlyFromAmong("after", "during");
        match.AcceptOnlyFromAmong("exact", "value");
        questions.AcceptExistingOnly();
        data.AcceptExistingOnly();
        textFile.AcceptExistingOnly();
        foreach (Option<int> option in (Option<int>[])[limit, cache, sessions])
            option.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int>(), option.Name, r.AddError));
        text.Validators.Add(r => OptionValues.AtLeast(0, r.GetValueOrDefault<int>(), text.Name, r.AddError));
        var command = new Command("grid", "Quality, bytes and likeness to the full cache over policies, shares and formats; writes CSV, Markdown and SVG.")
        {
            model, questions, generate, lengths, data, policy, retained, format, query, schedule, limit, seed, text, textFile, match, cache, sessions, threads, output, quick,
        };
        command.SetAction((parsed, token) => GridJob.RunAsync(
            new GridSettings
            {
                Model = parsed.GetValue(model)!,
                Output = parsed.GetValue(output)!.FullName,
                Questions = [.. parsed.GetValue(questions)!.Select(f => f.FullName)],
                Generate = parsed.GetValue(generate)!,
                Lengths = parsed.GetValue(lengths)!,
                Data = parsed.GetValue(data)?.FullName,
                Policies = parsed.GetValue(policy)!,
                Retained = [.. parsed.GetValue(retained)!.Distinct()],
                Formats = parsed.GetValue(format)!,
                Queries = [.. parsed.GetValue(query)!.Select(q => q == "known" ? CompressionQuery.Known : CompressionQuery.Unknown)],
                Schedule = parsed.GetValue(schedule) == "after" ? CompressionSchedule.AfterPrompt : CompressionSchedule.WhileReading,
                Limit = parsed.GetValue(limit),
                Seed = parsed.GetValue(seed),
                TextTokens = parsed.GetValue(text),
                TextFile = parsed.GetValue(textFile)?.FullName,
                MatchValue = parsed.GetValue(match) == "value",
                CacheBytes = (long)parsed.GetValue(cache) << 20,
                Sessions = parsed.GetValue(sessions),
                Threads = parsed.GetValue(threads),
            },
            parsed.GetValue(quick),
            token));
        return command;
    }

    private static string[]? Words(ArgumentResult result, IReadOnlyList<string> allowed)
    {
        var words = new List<string>();
        foreach (string word in OptionValues.Parts(result))
        {
            if (word == "all")
                words.AddRange(allowed);
            else if (allowed.Contains(word))
                words.Add(word);
            else
                result.AddError($"There is no '{word}'; there are: {string.Join(", ", allowed)}, and all.");
        }

        return [.. words.Distinct()];
    }

    private static int[]? Lengths(ArgumentResult result)
    {
        var lengths = new List<int>();
        foreach (string word in OptionValues.Parts(result))
        {
            bool thousands = word.EndsWith('k');
            if (int.TryParse(thousands ? word[..^1] : word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1_000_000)
                lengths.Add(thousands ? number * 1000 : number);
            else
                result.AddError($"'{word}' is no length; lengths are tokens, such as 1500 or 4k.");
        }

        return [.. lengths.Distinct()];
    }

    private static KvFormat[]? Formats(ArgumentResult result)
    {
        var formats = new List<KvFormat>();
        foreach (string word in OptionValues.Parts(result))
        {
            if (Enum.TryParse(word, ignoreCase: true, out KvFormat format) && Enum.IsDefined(format) && !char.IsAsciiDigit(word[0]))
                formats.Add(format);
            else
                result.AddError($"There is no format '{word}'; there are: {string.Join(", ", Enum.GetNames<KvFormat>())}.");
        }

        return [.. formats.Distinct()];
    }
}
