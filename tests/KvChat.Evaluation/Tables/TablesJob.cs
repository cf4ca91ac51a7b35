using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using KvChat.Evaluation.Grid;
using KvChat.Runtime.Models;

namespace KvChat.Evaluation.Tables;

/// <summary>What a run of <c>tables</c> measures.</summary>
internal sealed record TablesSettings
{
    public required string Model { get; init; }

    /// <summary>Folder of the parts' folders, and of <c>tables.md</c>.</summary>
    public required string Output { get; init; }

    /// <summary>Names of the parts that are wanted; empty for all.</summary>
    public IReadOnlyList<string> Only { get; init; } = [];

    /// <summary>Time after which the run stops; null for none.</summary>
    public TimeSpan? MostTime { get; init; }

    public required IReadOnlyList<TablePart> Parts { get; init; }

    /// <summary>Model, cache and the like, which all parts have.</summary>
    public required Func<GridSettings, GridSettings> Machine { get; init; }
}

/// <summary>Runs one part after another, each in its folder, until all are there or the time is up, and puts their tables into one file.</summary>
internal static class TablesJob
{
    private const string Finished = "finished.json";

    /// <returns>0; 2 where a name or a file is not right; <see cref="GridJob.Unfinished"/> where something is left to be measured.</returns>
    public static async Task<int> RunAsync(TablesSettings settings, CancellationToken cancellationToken)
    {
        try
        {
            TablePart[] parts = [.. Chosen(settings)];
            long start = Stopwatch.GetTimestamp();
            bool complete = true;
            foreach (TablePart part in parts)
            {
                TimeSpan? left = settings.MostTime - Stopwatch.GetElapsedTime(start);
                complete = left is null || left > TimeSpan.Zero;
                if (!complete || !(complete = await RunAsync(settings, part, left, cancellationToken).ConfigureAwait(false)))
                    break;
            }

            string path = Path.Combine(settings.Output, "tables.md");
            await File.WriteAllTextAsync(path, Joined(settings, parts), cancellationToken).ConfigureAwait(false);
            Console.WriteLine($"{parts.Count(p => IsFinished(settings, p))} of {parts.Length} parts are finished; {path}");
            return complete ? 0 : GridJob.Unfinished;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or IOException or ModelFileException)
        {
            await Console.Error.WriteLineAsync(error.Message).ConfigureAwait(false);
            return 2;
        }
    }

    /// <summary>The parts that were asked for, in their order.</summary>
    /// <exception cref="ArgumentException">There is no part of a name.</exception>
    public static IEnumerable<TablePart> Chosen(TablesSettings settings)
    {
        string[] unknown = [.. settings.Only.Except(settings.Parts.Select(p => p.Name))];
        return unknown.Length == 0
            ? settings.Parts.Where(p => settings.Only.Count == 0 || settings.Only.Contains(p.Name))
            : throw new ArgumentException($"--only has '{unknown[0]}'; there are: {string.Join(", ", settings.Parts.Select(p => p.Name))}.");
    }

    /// <summary>A part is finished when all that it consists of today has been measured: a policy that is added later makes it unfinished again.</summary>
    public static bool IsFinished(TablesSettings settings, TablePart part)
    {
        string path = Path.Combine(settings.Output, part.Name, Finished);
        return File.Exists(path) && File.ReadAllText(path) == Extent(part);
    }

    private static async Task<bool> RunAsync(TablesSettings settings, TablePart part, TimeSpan? left, CancellationToken cancellationToken)
    {
        if (IsFinished(settings, part))
            return true;
        await Console.Error.WriteLineAsync($"== {part.Name}: {part.Title}").ConfigureAwait(false);
        string folder = Path.Combine(settings.Output, part.Name);
        GridResult result = await GridJob.MeasureAsync(settings.Machine(part.Settings) with { Model = settings.Model, Output = folder, MostTime = left }, cancellationToken).ConfigureAwait(false);
        if (result.IsComplete)
            await File.WriteAllTextAsync(Path.Combine(folder, Finished), Extent(part), cancellationToken).ConfigureAwait(false);
        return result.IsComplete;
    }

    private static string Extent(TablePart part) => JsonSerializer.Serialize(new
    {
        part.Settings.Generate, part.Settings.Lengths, part.Settings.Limit, part.Settings.Seed, part.Settings.TextTokens, part.Settings.TextPassages, Cells = part.Settings.Cells.Select(c => c.Key),
    });

    private static string Joined(TablesSettings settings, IEnumerable<TablePart> parts)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"Measured with `tables --model {Path.GetFileName(settings.Model)}`, {DateTime.Now:yyyy-MM-dd}, {Environment.ProcessorCount} cores. ");
        text.Append("Figures are shares of the full cache's right answers, in percent, over the same questions.\n\n");
        foreach (TablePart part in parts)
        {
            string path = Path.Combine(settings.Output, part.Name, "grid.md");
            if (File.Exists(path))
                text.Append(CultureInfo.InvariantCulture, $"## {part.Title} (`{part.Name}`{(IsFinished(settings, part) ? "" : ", not finished")})\n\n{File.ReadAllText(path)}");
        }

        return text.ToString();
    }
}
