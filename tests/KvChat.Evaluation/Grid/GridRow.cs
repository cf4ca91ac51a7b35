using System.Globalization;

namespace KvChat.Evaluation.Grid;

/// <summary>A cell over all questions of a set, or over all passages of a running text.</summary>
/// <param name="Set">Task set or text.</param>
/// <param name="Cell">Setting.</param>
/// <param name="Asked">Questions; 0 for a running text, which has none of the figures up to its likeness but the bytes.</param>
/// <param name="Score">Mean score, 0 to 1.</param>
/// <param name="OfFull">The share of the full cache's score that is kept, counted over the same questions; null where the full cache scored nothing.</param>
/// <param name="Kept">Mean share of KVs kept at the end, which floors may hold above what was asked for.</param>
/// <param name="Bytes">Mean bytes when answering began.</param>
/// <param name="BytesOfFull">These bytes over the full cache's in F16.</param>
/// <param name="PeakBytes">Most bytes of any question.</param>
/// <param name="Seconds">All questions together, as long as each took.</param>
/// <param name="PreparationSeconds">Mean time to read a document, or to make the cell's copy of it.</param>
/// <param name="CompressionMilliseconds">Mean time that compressing one cache took: scoring, choosing and moving.</param>
/// <param name="Likeness">Continuation of a running text; null for a set.</param>
public sealed record GridRow(
    string Set, GridCell Cell, int Asked, double Score, double? OfFull, double Kept, double Bytes, double BytesOfFull, long PeakBytes, double Seconds,
    double PreparationSeconds, double CompressionMilliseconds, TextLikeness? Likeness)
{
    /// <summary>Sums up all answers.</summary>
    /// <param name="cells">The cells in the order of the report.</param>
    /// <param name="sets">Names of the sets in that order.</param>
    /// <param name="answers">Everything that was answered.</param>
    /// <param name="likeness">Everything that was continued.</param>
    public static IReadOnlyList<GridRow> Of(
        IReadOnlyList<GridCell> cells, IReadOnlyList<string> sets, IReadOnlyCollection<GridAnswer> answers, IReadOnlyCollection<TextLikeness> likeness)
    {
        ILookup<(string, string), GridAnswer> byCell = answers.ToLookup(a => (a.Set, a.Cell));
        var rows = new List<GridRow>();
        foreach (string set in sets)
        {
            foreach (GridCell cell in cells)
            {
                GridAnswer[] own = [.. byCell[(set, cell.Key)]];
                if (own.Length == 0)
                    continue;
                var full = byCell[(set, cell.Reference().Key)].ToDictionary(a => (a.Document, a.Question));
                GridAnswer[] comparable = [.. own.Where(a => full.ContainsKey((a.Document, a.Question)))];
                double of = comparable.Sum(a => full[(a.Document, a.Question)].Score);
                double kept = comparable.Sum(a => Math.Min(a.Score, full[(a.Document, a.Question)].Score));
                double fullBytes = full.Count == 0 ? double.NaN : full.Values.Average(a => (double)a.Bytes), bytes = own.Average(a => (double)a.Bytes);
                rows.Add(new GridRow(set, cell, own.Length, own.Average(a => a.Score), of == 0 ? null : kept / of, own.Average(a => a.Kept), bytes, bytes / fullBytes,
                    own.Max(a => a.PeakBytes), own.Sum(a => a.Seconds), own.Average(a => a.PreparationSeconds), own.Average(a => a.CompressionSeconds) * 1000, null));
            }
        }

        rows.AddRange(OfText(cells, likeness));
        return rows;
    }

    private static IEnumerable<GridRow> OfText(IReadOnlyList<GridCell> cells, IReadOnlyCollection<TextLikeness> likeness)
    {
        foreach (IGrouping<string, TextLikeness> text in likeness.GroupBy(l => l.Set).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            foreach (GridCell cell in cells)
            {
                if (TextLikeness.Mean(text.Where(l => l.Cell == cell.Key)) is not { } mean)
                    continue;
                double full = TextLikeness.Mean(text.Where(l => l.Cell == cell.Reference().Key))?.Bytes ?? double.NaN;
                yield return new GridRow(text.Key, cell, 0, double.NaN, null, double.NaN, mean.Bytes, mean.Bytes / full, 0, double.NaN, double.NaN, double.NaN, mean);
            }
        }
    }

    /// <summary>The columns of <see cref="Fields"/>.</summary>
    public static IReadOnlyList<string> Columns { get; } =
    [
        "set", "policy", "allocator", "retained", "format", "low_format", "query", "schedule", "asked", "score", "of_full", "kept", "bytes", "bytes_of_full", "peak_bytes",
        "seconds", "preparation_seconds", "compression_ms", "kl", "same_top", "text_tokens",
    ];

    /// <summary>The row as text, a field for every one of <see cref="Columns"/>; empty where there is no figure.</summary>
    public string[] Fields() =>
    [
        Set, Cell.Policy, Cell.AllocatorName, Text(Cell.Retained, "0.######"), $"{Cell.Format}".ToLowerInvariant(), $"{Cell.LowFormat}".ToLowerInvariant(), Cell.QueryName, Cell.ScheduleName,
        Text(Asked, "0"), Text(Score, "0.####"), Text(OfFull, "0.####"), Text(Kept, "0.####"), Text(Bytes, "0"), Text(BytesOfFull, "0.####"), Text(PeakBytes, "0"),
        Text(Seconds, "0.0"), Text(PreparationSeconds, "0.###"), Text(CompressionMilliseconds, "0.##"), Text(Likeness?.Divergence, "0.#####"), Text(Likeness?.SameTop, "0.####"), Text(Likeness?.Tokens, "0"),
    ];

    private static string Text(double? value, string format) => value is { } v && !double.IsNaN(v) ? v.ToString(format, CultureInfo.InvariantCulture) : "";
}
