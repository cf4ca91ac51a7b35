using System.Text.Json;
using KvChat.Evaluation.Tasks;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;

namespace KvChat.Evaluation.Grid;

/// <summary>What a grid came to.</summary>
/// <param name="Rows">A row for every set and cell with answers.</param>
/// <param name="IsComplete">False where the time was up before everything was asked.</param>
public sealed record GridResult(IReadOnlyList<GridRow> Rows, bool IsComplete);

/// <summary>Runs a grid from its settings to its files.</summary>
public static class GridJob
{
    /// <summary>Exit code of a run whose time was up: the same command goes on.</summary>
    public const int Unfinished = 3;

    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true };

    /// <param name="settings">What is measured.</param>
    /// <param name="quick">The small fixed grid instead, which fails under its floors.</param>
    /// <param name="cancellationToken">Ends the run; it can go on later.</param>
    /// <returns>0; 1 where a floor is missed; 2 where the settings or files are not right; <see cref="Unfinished"/>.</returns>
    public static async Task<int> RunAsync(GridSettings settings, bool quick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        try
        {
            if (quick)
                settings = QuickGrid.Settings(settings);
            GridResult result = await MeasureAsync(settings, cancellationToken).ConfigureAwait(false);
            Console.Write(GridReport.Markdown(result.Rows));
            Console.WriteLine($"Written to {settings.Output}: grid.csv, grid.md and pictures.");
            if (!result.IsComplete)
            {
                await Console.Error.WriteLineAsync("The time was up; the same command goes on from here.").ConfigureAwait(false);
                return Unfinished;
            }

            if (!quick)
                return 0;
            IReadOnlyList<string> missed = QuickGrid.Missed(result.Rows);
            foreach (string line in missed)
                await Console.Error.WriteLineAsync(line).ConfigureAwait(false);
            return missed.Count == 0 ? 0 : 1;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or IOException or ModelFileException)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 2;
        }
    }

    /// <summary>Measures what is missing and writes the report.</summary>
    /// <exception cref="FormatException">A file is not as it should be, or the folder holds the results of another model or seed.</exception>
    public static async Task<GridResult> MeasureAsync(GridSettings settings, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(settings);
        using var clock = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (settings.MostTime is { } most)
            clock.CancelAfter(most);
        IReadOnlyList<GridCell> cells = settings.Cells;
        foreach (GridCell cell in cells)
            cell.Compression().Validate();
        Directory.CreateDirectory(settings.Output);
        await using KvCompressChatClient client = await KvCompressChatClient.LoadAsync(new KvCompressChatOptions
        {
            Model = settings.Model,
            CacheBytes = settings.CacheBytes,
            Threads = settings.Threads,
            HoldFinishedSequences = false, // documents are held by their handles, and nothing else comes again
            MaxQueuedRequests = Math.Max(256, settings.Sessions),
        }, cancellationToken: cancellationToken).ConfigureAwait(false);
        var model = (LoadedModel)client.GetService(typeof(LoadedModel))!;
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        Claim(settings, model);
        IReadOnlyList<TaskSet> sets = GridSources.Read(settings, model, engine.ContextTokens);
        using var answers = new GridFile<GridAnswer>(Path.Combine(settings.Output, "answers.jsonl"), a => a.Key);
        using var likeness = new GridFile<TextLikeness>(Path.Combine(settings.Output, "text.jsonl"), l => l.Key);
        bool complete = true;
        try
        {
            await new GridRunner(client, settings.Sessions).RunAsync(sets, cells, answers, clock.Token).ConfigureAwait(false);
            if (settings.TextTokens > 0)
                await FollowTextAsync(settings, engine, model, likeness, clock.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            complete = false;
        }

        IReadOnlyList<GridRow> rows = GridRow.Of(cells, [.. sets.Select(s => s.Name)], answers.Rows, likeness.Rows);
        GridReport.Write(settings.Output, rows);
        if (settings.Table is { } table && complete)
            GridTable.Add(table, model.Name, "grid", GridTable.Of(rows, sets.ToDictionary(s => s.Name, s => (int)s.Documents.Average(d => model.Tokenizer.Encode(d.Text, allowSpecial: false).Ids.Length))));
        return new GridResult(rows, complete);
    }

    private static async Task FollowTextAsync(GridSettings settings, InferenceEngine engine, LoadedModel model, GridFile<TextLikeness> file, CancellationToken cancellationToken)
    {
        int needed = settings.TextTokens + (2 * TextRunner.Followed) + ((settings.TextPassages - 1) * TextRunner.Followed);
        string text = settings.TextFile is { } path
            ? await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false)
            : LedgerTask.Text(needed, settings.Seed, t => model.Tokenizer.Encode(t, allowSpecial: false).Ids.Length);
        string name = $"{(settings.TextFile is null ? "ledger" : Path.GetFileNameWithoutExtension(settings.TextFile))}-{TaskNames.Length(settings.TextTokens)}";
        var runner = new TextRunner(engine, model);
        await runner.RunAsync(name, text, settings.TextTokens, settings.TextPassages, settings.Cells, file, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Marks the folder as this model's, so that answers of different models never meet in one table.</summary>
    private static void Claim(GridSettings settings, LoadedModel model)
    {
        string path = Path.Combine(settings.Output, "run.json"), own = JsonSerializer.Serialize(new { model = model.Name, settings.Seed, settings.MatchValue }, s_json);
        if (!File.Exists(path))
            File.WriteAllText(path, own);
        else if (File.ReadAllText(path) is var other && other != own)
            throw new FormatException($"{settings.Output} holds results of other settings: {other.ReplaceLineEndings(" ")}; give --out another folder.");
    }
}
