using System.Globalization;

namespace KvChat.Evaluation.Grid;

/// <summary>A cell over all questions of a set.</summary>
/// <param name="Set">Task set.</param>
/// <param name="Cell">Setting.</param>
/// <param name="Asked">Questions.</param>
/// <param name="Score">Mean score, 0 to 1.</param>
/// <param name="OfFull">The share of the full cache's score that is kept, counted over the same questions; null where the full cache scored nothing.</param>
/// <param name="Bytes">Mean bytes when answering began.</param>
/// <param name="BytesOfFull">These bytes over the full cache's in F16.</param>
/// <param name="PeakBytes">Most bytes of any question.</param>
/// <param name="Seconds">All questions together, as long as each took.</param>
/// <param name="Likeness">Continuation of running text, where it was measured.</param>
public sealed record GridRow(
    string Set, GridCell Cell, int Asked, double Score, double? OfFull, double Bytes, double BytesOfFull, long PeakBytes, double Seconds, TextLikeness? Likeness)
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
                var full = byCell[(set, Full(cell).Key)].ToDictionary(a => (a.Document, a.Question));
                GridAnswer[] comparable = [.. own.Where(a => full.ContainsKey((a.Document, a.Question)))];
                double of = comparable.Sum(a => full[(a.Document, a.Question)].Score);
                double kept = comparable.Sum(a => Math.Min(a.Score, full[(a.Document, a.Question)].Score));
                double fullBytes = full.Count == 0 ? double.NaN : full.Values.Average(a => (double)a.Bytes), bytes = own.Average(a => (double)a.Bytes);
                rows.Add(new GridRow(set, cell, own.Length, own.Average(a => a.Score), of == 0 ? null : kept / of, bytes, bytes / fullBytes,
                    own.Max(a => a.PeakBytes), own.Sum(a => a.Seconds), likeness.FirstOrDefault(l => l.Cell == cell.Key)));
            }
        }

        return rows;
    }

    /// <summary>The cell that a cell is compared with: the full cache in F16.</summary>
    public static GridCell Full(GridCell cell)
    {
        ArgumentNullException.ThrowIfNull(cell);
        return new GridCell(Runtime.Compression.CompressionPolicies.Off, 1, Kernels.KvFormat.F16, cell.Query, Runtime.Compression.CompressionSchedule.AfterPrompt);
    }

    /// <summary>The columns of <see cref="Fields"/>.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["set", "policy", "retained", "format", "query", "schedule", "asked", "score", "of_full", "bytes", "bytes_of_full", "peak_bytes", "seconds", "kl", "same_top"];

    /// <summary>The row as text, a field for every one of <see cref="Columns"/>; empty where there is no figure.</summary>
    public string[] Fields()
    {
        string[] names = Cell.Key.Split('/');
        return
        [
            Set, Cell.Policy, Text(Cell.Retained, "0.######"), names[1], names[2], names[3], Text(Asked, "0"), Text(Score, "0.####"), Text(OfFull, "0.####"), Text(Bytes, "0"),
            Text(BytesOfFull, "0.####"), Text(PeakBytes, "0"), Text(Seconds, "0.0"), Text(Likeness?.Divergence, "0.#####"), Text(Likeness?.SameTop, "0.####"),
        ];
    }

    private static string Text(double? value, string format) => value is { } v && !double.IsNaN(v) ? v.ToString(format, CultureInfo.InvariantCulture) : "";
}
