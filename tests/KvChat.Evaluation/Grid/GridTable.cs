using System.Globalization;
using KvChat.Quality;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>Adds measurements to the table by which requests with a <c>MinQuality</c> are served.</summary>
internal static class GridTable
{
    /// <summary>Fewer questions say too little of shares near 1.</summary>
    public const int LeastQuestions = 40;

    private const int LongestNote = 1000;

    /// <summary>Adds rows; those of the table that measure the same are replaced, others stay.</summary>
    /// <param name="path">The table's file, which need not be there.</param>
    /// <param name="model">The model's own name.</param>
    /// <param name="command">What measured them, as the table's note has it.</param>
    /// <param name="rows">The measurements; those of few questions are left out.</param>
    /// <exception cref="FormatException">No row has enough questions.</exception>
    /// <exception cref="Runtime.Models.ModelFileException">The file that is there is no table of this model.</exception>
    public static void Add(string path, string model, string command, IEnumerable<QualityRow> rows)
    {
        QualityRow[] measured = [.. rows.Where(r => r.Asked >= LeastQuestions)];
        if (measured.Length == 0)
            throw new FormatException($"No row can go into {path}: it takes {LeastQuestions} questions of which the full cache answers some, and the policy's own allocator.");
        string note = string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd}, {command} over {string.Join(", ", measured.Select(r => r.Set).Distinct())}");
        QualityTable? before = QualityTableFile.Read(path, model);
        HashSet<object> keys = [.. measured.Select(r => r.Key)];
        if (before is not null && !before.Measured.Contains(note, StringComparison.Ordinal))
            note = $"{before.Measured}; {note}";
        IEnumerable<QualityRow> kept = before?.Rows.Where(r => !keys.Contains(r.Key)) ?? [];
        QualityTableFile.Write(path, new QualityTable(model, note.Length > LongestNote ? note[^LongestNote..] : note, [.. kept, .. measured]));
    }

    /// <summary>A grid's rows as a table has them; those that a table has no place for are left out.</summary>
    /// <param name="rows">The grid.</param>
    /// <param name="tokens">Tokens of a document of each set, on average.</param>
    public static IEnumerable<QualityRow> Of(IEnumerable<GridRow> rows, IReadOnlyDictionary<string, int> tokens) =>
        rows.Where(r => r.OfFull is not null && r.Cell.Allocator is null).Select(r => Row(r, tokens[r.Set]));

    private static QualityRow Row(GridRow row, int tokens) => new(
        row.Set, tokens, row.Cell.Policy, row.Cell.Retained, row.Cell.Format, row.Cell.LowFormat, row.Cell.Query == CompressionQuery.Known ? QualityQuery.Known : QualityQuery.Unknown,
        row.Cell.Schedule, row.Asked, row.OfFull!.Value, row.BytesOfFull);
}
