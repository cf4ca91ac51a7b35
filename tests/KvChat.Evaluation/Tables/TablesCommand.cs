using System.CommandLine;
using KvChat.Evaluation.Grid;

namespace KvChat.Evaluation.Tables;

/// <summary>The command <c>tables</c>.</summary>
public static class TablesCommand
{
    public static Command Create()
    {
        var model = new Option<string>("--model") { DefaultValueFactory = _ => KvCompressChatOptions.EmbeddedModel, Description = "model file or folder, or 'embedded'; another model has parts of its own" };
        var output = new Option<DirectoryInfo>("--out") { DefaultValueFactory = _ => new DirectoryInfo("tables"), Description = "folder of the results; a run that was ended goes on there" };
        var minutes = new Option<double?>("--minutes") { Description = "time after which the run stops with exit code 3; the same command goes on" };
        var only = new Option<string[]>("--only") { CustomParser = r => [.. OptionValues.Parts(r)], DefaultValueFactory = _ => [], Description = "parts, with commas between; left out, all" };
        var list = new Option<bool>("--list") { Description = "names the parts, with the number of cells and whether they are finished, and measures nothing" };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 20, Description = "seed of generated documents" };
        var textFile = new Option<FileInfo>("--text-file") { Description = "running text for a model other than the embedded one; left out, a generated one" };
        var cache = new Option<int>("--cache-mb") { DefaultValueFactory = _ => 2048, Description = "KV budget of all sessions together" };
        var sessions = new Option<int>("--sessions") { DefaultValueFactory = _ => 8, Description = "questions under way at once" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        textFile.AcceptExistingOnly();
        minutes.Validators.Add(r => OptionValues.AtLeast(0.01, r.GetValueOrDefault<double?>() ?? 1, minutes.Name, r.AddError));
        foreach (Option<int> option in (Option<int>[])[cache, sessions])
            option.Validators.Add(r => OptionValues.AtLeast(1, r.GetValueOrDefault<int>(), option.Name, r.AddError));
        var command = new Command("tables", "The big tables of compression, part by part: every policy, share, length and kind of document, in runs that may be ended and go on.")
        {
            model, output, minutes, only, list, seed, textFile, cache, sessions, threads,
        };
        command.SetAction((parsed, token) =>
        {
            bool embedded = parsed.GetValue(model) == KvCompressChatOptions.EmbeddedModel;
            var settings = new TablesSettings
            {
                Model = parsed.GetValue(model)!,
                Output = parsed.GetValue(output)!.FullName,
                Only = parsed.GetValue(only)!,
                MostTime = parsed.GetValue(minutes) is { } most ? TimeSpan.FromMinutes(most) : null,
                Parts = embedded ? TablePlan.Embedded(parsed.GetValue(seed)) : TablePlan.Other(parsed.GetValue(seed), parsed.GetValue(textFile)?.FullName),
                Machine = grid => grid with
                {
                    CacheBytes = (long)parsed.GetValue(cache) << 20, Sessions = parsed.GetValue(sessions), Threads = parsed.GetValue(threads),
                },
            };
            return parsed.GetValue(list) ? Task.FromResult(List(settings)) : TablesJob.RunAsync(settings, token);
        });
        return command;
    }

    private static int List(TablesSettings settings)
    {
        foreach (TablePart part in settings.Parts)
        {
            GridSettings grid = part.Settings;
            string sets = string.Join(", ", from task in grid.Generate from tokens in grid.Lengths select $"{task}-{Tasks.TaskNames.Length(tokens)}");
            Console.WriteLine($"{part.Name,-18} {grid.Cells.Count,4} cells  {(sets.Length == 0 ? $"{grid.TextPassages} passages" : $"{grid.Limit,3} questions of {sets}"),-46} {(TablesJob.IsFinished(settings, part) ? "finished" : "")}");
        }

        return 0;
    }
}
