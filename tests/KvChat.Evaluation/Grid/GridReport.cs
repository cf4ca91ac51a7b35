using System.Globalization;
using System.Text;

namespace KvChat.Evaluation.Grid;

/// <summary>Writes a grid's rows: <c>grid.csv</c>, <c>grid.md</c>, and a picture for every set and query, <c>SET-QUERY.svg</c>.</summary>
internal static class GridReport
{
    public static void Write(string folder, IReadOnlyList<GridRow> rows)
    {
        File.WriteAllText(Path.Combine(folder, "grid.csv"), Csv(rows));
        File.WriteAllText(Path.Combine(folder, "grid.md"), Markdown(rows));
        foreach (var group in rows.Where(r => r.Likeness is null).GroupBy(r => (r.Set, r.Cell.Query)))
        {
            string name = $"{group.Key.Set}-{group.First().Cell.QueryName}";
            File.WriteAllText(Path.Combine(folder, $"{name}.svg"), QualityPlot.Draw(name, [.. group]));
        }
    }

    public static string Csv(IReadOnlyList<GridRow> rows)
    {
        var text = new StringBuilder(string.Join(',', GridRow.Columns)).Append('\n');
        foreach (GridRow row in rows)
            text.AppendJoin(',', row.Fields().Select(Quoted)).Append('\n');
        return text.ToString();
    }

    /// <summary>A table for every set and query: a line per policy and format, a column per share, each cell the share of the full cache's score that is kept.</summary>
    public static string Markdown(IReadOnlyList<GridRow> rows)
    {
        var text = new StringBuilder();
        foreach (var group in rows.Where(r => r.Likeness is null).GroupBy(r => (r.Set, r.Cell.Query)))
        {
            double[] shares = [.. group.Select(r => r.Cell.Retained).Distinct().OrderDescending()];
            GridRow? full = group.FirstOrDefault(r => r.Cell == r.Cell.Reference());
            text.Append(CultureInfo.InvariantCulture, $"### {group.Key.Set}, question {group.First().Cell.QueryName}\n\n");
            if (full is not null)
                text.Append(CultureInfo.InvariantCulture, $"Full cache: {full.Score:P1} of {full.Asked} questions, {full.Bytes / 1e6:0.00} MB a session.\n\n");
            text.Append("| policy | allocator | format |").AppendJoin("", shares.Select(s => string.Create(CultureInfo.InvariantCulture, $" {1 / s:0.##}x |"))).Append('\n');
            text.Append("| --- | --- | --- |").Insert(text.Length, " ---: |", shares.Length).Append('\n');
            foreach (var line in group.GroupBy(r => (r.Cell.Policy, r.Cell.AllocatorName, r.Cell.FormatName)))
            {
                text.Append(CultureInfo.InvariantCulture, $"| {line.Key.Policy} | {line.Key.AllocatorName} | {line.Key.FormatName} |");
                foreach (double share in shares)
                    text.Append(CultureInfo.InvariantCulture, $" {(line.FirstOrDefault(r => r.Cell.Retained == share)?.OfFull is { } kept ? $"{kept * 100:0.#}" : "")} |");
                text.Append('\n');
            }

            text.Append('\n');
        }

        foreach (var group in rows.Where(r => r.Likeness is not null).GroupBy(r => (r.Set, r.Cell.Query)))
        {
            text.Append(CultureInfo.InvariantCulture, $"### Running text {group.Key.Set}, {group.First().Cell.QueryName}: likeness to the full cache\n\n");
            text.Append("| policy | allocator | format | share | KL divergence | same top token | tokens | bytes |\n| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
            foreach (GridRow row in group)
            {
                TextLikeness like = row.Likeness!;
                text.Append(CultureInfo.InvariantCulture, $"| {row.Cell.Policy} | {row.Cell.AllocatorName} | {row.Cell.FormatName} | {row.Cell.Retained:0.####} | {like.Divergence:0.0000} | {like.SameTop:P1} | {like.Tokens} | {like.Bytes} |\n");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static string Quoted(string field) => field.AsSpan().ContainsAny(",\"\n") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
}
