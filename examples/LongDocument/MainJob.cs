using KvChat;
using KvChat.Runtime.Models;
using KvChat.Runtime.Transformer;
using Spectre.Console;

namespace LongDocument;

/// <summary>The main job: as many sessions over long documents as one KV budget holds, with the cache compressed and not.</summary>
internal static class MainJob
{
    private const int AnswerRoom = 128;
    private static readonly int[] s_times = [1, 2, 4, 8, 16];

    public static async Task RunAsync(Settings settings, CancellationToken cancellationToken)
    {
        IReadOnlyList<Document> documents = Document.Read(settings.Questions ?? Document.Shipped);
        (documents, long budget, int kvHeads) = await PrepareAsync(settings, documents, cancellationToken);
        IReadOnlyList<int> times = settings.Compression ?? s_times;
        IReadOnlyList<LevelResult> levels = await MeasureAsync(settings, documents, budget, times, cancellationToken);
        ShowLevels(levels, documents.Count);
        int later = times.Where(t => t > 1).DefaultIfEmpty(1).Min();
        await Turns.ShowAsync(settings, documents.MaxBy(d => Math.Min(d.Questions.Count, Turns.Most))!, [1, later], cancellationToken);
        Draw(settings, levels, kvHeads);
    }

    /// <summary>Loads the model once to say what it is, and chooses documents and budget by its size.</summary>
    private static async Task<(IReadOnlyList<Document> Documents, long Budget, int KvHeads)> PrepareAsync(Settings settings, IReadOnlyList<Document> documents, CancellationToken cancellationToken)
    {
        await using KvCompressChatClient client = await settings.LoadAsync(null, cancellationToken);
        var model = (LoadedModel)client.GetService(typeof(LoadedModel))!;
        TransformerConfiguration shape = model.Configuration;
        int[] tokens = [.. documents.Select(d => model.Tokenizer.Encode(d.Text, allowSpecial: false).Ids.Length)];
        var fitting = documents.Where((_, i) => tokens[i] + AnswerRoom <= shape.ContextLength).Take(settings.Sessions).ToList();
        if (fitting.Count == 0)
            throw new FormatException($"No document fits into the model's context of {shape.ContextLength} tokens; the shortest has {tokens.Min()}.");
        int longest = tokens.Where(t => t + AnswerRoom <= shape.ContextLength).Take(settings.Sessions).Max();
        long budget = settings.CacheBytes ?? (long)Math.Ceiling(1.2 * (longest + AnswerRoom) * Settings.BytesPerToken(model) / 1e6) * 1_000_000;
        AnsiConsole.WriteLine($"{model.Name} on {model.Transformer.Backend.Name}: {shape.Layers} layers of {shape.KvHeads} KV heads, context {shape.ContextLength:N0}.");
        AnsiConsole.WriteLine(
            $"{fitting.Count} documents of up to {longest:N0} tokens, a session and a question each, all opened together in a KV budget of {budget / 1e6:0.#} MB"
            + $" ({Settings.BytesPerToken(model):N0} bytes a token uncompressed).");
        if (tokens.Count(t => t + AnswerRoom > shape.ContextLength) is > 0 and int skipped)
            AnsiConsole.WriteLine($"{skipped} documents are longer than the context and left out.");
        return (fitting, budget, shape.KvHeads);
    }

    private static async Task<IReadOnlyList<LevelResult>> MeasureAsync(
        Settings settings, IReadOnlyList<Document> documents, long budget, IReadOnlyList<int> times, CancellationToken cancellationToken)
    {
        var results = new List<LevelResult>();
        if (!AnsiConsole.Profile.Capabilities.Interactive)
        {
            foreach (int t in times)
            {
                results.Add(await Level.MeasureAsync(settings, documents, budget, t, static () => { }, cancellationToken));
                AnsiConsole.WriteLine($"cache {Settings.Name(t)}: {documents.Count} answers in {results[^1].Elapsed.TotalSeconds:0.0} s");
            }

            return results;
        }

        ProgressColumn[] columns = [new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()];
        await AnsiConsole.Progress().Columns(columns).StartAsync(async context =>
        {
            var bars = times.Select(t => context.AddTask($"cache {Settings.Name(t)}", autoStart: false, maxValue: documents.Count)).ToArray();
            for (int i = 0; i < bars.Length; i++)
            {
                ProgressTask bar = bars[i];
                bar.StartTask();
                results.Add(await Level.MeasureAsync(settings, documents, budget, times[i], () => bar.Increment(1), cancellationToken));
                bar.StopTask();
            }
        });
        return results;
    }

    private static void ShowLevels(IReadOnlyList<LevelResult> levels, int asked)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("Sessions in one KV budget");
        table.AddColumn("cache");
        foreach (string column in (string[])["sessions at once", "KV MB a session", "right answers", "prompt tokens/s", "answer tokens/s", "first token, s", "all, s"])
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (LevelResult level in levels)
        {
            if (level.Answers.Count == 0)
            {
                table.AddRow(Settings.Name(level.Times), "none fits", "-", "-", "-", "-", "-", "-");
                continue;
            }

            table.AddRow(
                Settings.Name(level.Times), $"{level.AtOnce}{(level.AtOnce >= asked ? " (all)" : "")}", $"{level.BytesPerSession / 1e6:0.00}", $"{level.Right} of {asked}",
                $"{level.PromptRate:N0}", $"{level.AnswerRate:N0}", $"{level.FirstToken:0.00}", $"{level.Elapsed.TotalSeconds:0.0}");
        }

        AnsiConsole.Write(table);
        if (levels.Where(l => l.Answers.Count > 0 && l.Answers.Count < asked).ToList() is { Count: > 0 } partly)
            AnsiConsole.WriteLine($"Documents larger than the whole budget were not asked about: {string.Join(", ", partly.Select(l => $"{asked - l.Answers.Count} with cache {Settings.Name(l.Times)}"))}.");
        AnsiConsole.WriteLine(
            "Sessions at once: conversations whose KVs are in the budget at the same time, answering or ready for their next question. Tokens per second are those of all sessions "
            + "together; the first token's seconds include waiting for room.");
    }

    private static void Draw(Settings settings, IReadOnlyList<LevelResult> levels, int kvHeads)
    {
        LevelResult[] drawn = [.. levels.Where(static l => l.Answers is [{ Kvs.KeptPerHead.Count: > 0 }, ..])];
        if (drawn.Length == 0)
            return;
        LevelResult level = drawn.FirstOrDefault(l => l.Times == 8) ?? drawn.MaxBy(l => l.Times)!;
        Answer answer = level.Answers[0];
        IReadOnlyList<int> kept = answer.Kvs.KeptPerHead!;
        HeadPicture.Write(settings.Picture, $"KVs kept per layer and KV head, cache {Settings.Name(level.Times)}", kept, kvHeads, (int)(answer.Kvs.Seen / kept.Count));
        AnsiConsole.WriteLine($"Picture of the KVs kept per layer and head (one session, cache {Settings.Name(level.Times)}):");
        AnsiConsole.WriteLine(settings.Picture);
    }
}
