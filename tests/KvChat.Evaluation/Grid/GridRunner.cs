using System.Collections.Concurrent;
using System.Diagnostics;
using KvChat.Evaluation.Questions;
using KvChat.Evaluation.Tasks;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// Asks every question of every set in every cell through the chat client. Documents come one after another; each is read once per format, and all cells start from what was
/// read as far as their settings allow.
/// </summary>
internal sealed class GridRunner(KvCompressChatClient client, int sessions)
{
    /// <summary>Measures what is not in the file yet.</summary>
    /// <param name="sets">All sets.</param>
    /// <param name="cells">All cells, the full cache first.</param>
    /// <param name="file">Where answers go.</param>
    /// <param name="cancellationToken">Ends the run; what was answered stays in the file.</param>
    public async Task RunAsync(IReadOnlyList<TaskSet> sets, IReadOnlyList<GridCell> cells, GridFile<GridAnswer> file, CancellationToken cancellationToken)
    {
        foreach (TaskSet set in sets)
        {
            (TaskDocument Document, Item[] Items)[] missing = [.. set.Documents.Select(d => (d, Missing(set, d, cells, file))).Where(m => m.Item2.Length > 0)];
            if (missing.Length == 0)
                continue;
            var progress = new ProgressLine(set.Name, missing.Sum(m => m.Items.Length));
            foreach ((TaskDocument document, Item[] items) in missing)
            {
                await AskAsync(set, document, items, (item, answer) =>
                {
                    AddAll(answer, item.Cells, file);
                    progress.Step(answer.Score >= 1);
                }, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// The questions that are still to be asked. Cells of a policy that looks at no question differ in nothing where their queries differ: one is asked, its answers are both's.
    /// </summary>
    private static Item[] Missing(TaskSet set, TaskDocument document, IReadOnlyList<GridCell> cells, GridFile<GridAnswer> file)
    {
        var items = new List<Item>();
        foreach (IGrouping<GridCell, GridCell> equal in cells.GroupBy(c => DocumentCopies.IsCopied(c) ? c with { Query = CompressionQuery.Unknown } : c))
        {
            for (int question = 0; question < document.Questions.Count; question++)
            {
                GridCell[] open = [.. equal.Where(c => !file.Has((set.Name, document.Id, question, c.Key)))];
                if (open.Length == 0)
                    continue;
                GridAnswer? known = open.Length == equal.Count() ? null : file.Find((set.Name, document.Id, question, equal.Except(open).First().Key));
                if (known is null)
                    items.Add(new Item(equal.Key, question, open));
                else
                    AddAll(known, open, file);
            }
        }

        return [.. items];
    }

    private static void AddAll(GridAnswer answer, IEnumerable<GridCell> cells, GridFile<GridAnswer> file)
    {
        foreach (GridCell cell in cells)
            file.Add(answer with { Cell = cell.Key });
    }

    private async Task AskAsync(TaskSet set, TaskDocument document, Item[] items, Action<Item, GridAnswer> answered, CancellationToken cancellationToken)
    {
        using var copies = new DocumentCopies(client, document.Text, set.System);
        var left = new ConcurrentDictionary<string, int>(items.GroupBy(i => i.Cell.Key).ToDictionary(g => g.Key, g => g.Count()));
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = sessions, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(items, parallel, async (item, token) =>
        {
            KvDocument? resident = string.IsNullOrWhiteSpace(document.Text) ? null : await copies.OfAsync(item.Cell, token).ConfigureAwait(false);
            answered(item, await AskAsync(set, document, item, resident, token).ConfigureAwait(false));
            if (left.AddOrUpdate(item.Cell.Key, 0, (_, count) => count - 1) == 0)
                copies.Release(item.Cell);
        }).ConfigureAwait(false);
    }

    private async Task<GridAnswer> AskAsync(TaskSet set, TaskDocument document, Item item, KvDocument? resident, CancellationToken cancellationToken)
    {
        TaskQuestion question = document.Questions[item.Question];
        bool copied = resident is not null && DocumentCopies.IsCopied(item.Cell);
        ChatOptions options = new ChatOptions { Instructions = set.System, Temperature = 0, MaxOutputTokens = set.AnswerTokens }
            .WithKvCompression(copied ? DocumentCopies.Plain(item.Cell) : item.Cell.Compression());
        ChatMessage message = new(ChatRole.User, resident is null ? [new TextContent(question.Text)] : [resident.AsContent(), new TextContent(question.Text)]);
        long start = Stopwatch.GetTimestamp();
        ChatResponse response = await client.GetResponseAsync([message], options, cancellationToken).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        KvStatistics kvs = (response.RawRepresentation as GenerationResult)?.Kvs ?? throw new InvalidOperationException("The response does not say what became of its KVs.");
        TimeSpan choosing = kvs.CompressionTime + (copied ? resident!.Sequence.Kvs.CompressionTime : TimeSpan.Zero);
        return new GridAnswer(set.Name, document.Id, item.Question, item.Cell.Key, set.Metric.Score(response.Text, question.Expected), kvs.BytesAtAnswer,
            copied ? Math.Max(kvs.PeakBytes, resident!.Usage.PeakBytes) : kvs.PeakBytes, seconds, response.Text)
        {
            Kept = (double)kvs.Kept / Math.Max(1, kvs.Seen),
            CompressionSeconds = choosing.TotalSeconds,
            PreparationSeconds = resident?.Usage.Elapsed.TotalSeconds ?? 0,
        };
    }

    /// <summary>A question to be asked in a cell, for all cells that come to the same.</summary>
    private readonly record struct Item(GridCell Cell, int Question, IReadOnlyList<GridCell> Cells);
}
