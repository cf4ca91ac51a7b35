using System.Globalization;
using System.Net;
using System.Text;

namespace KvChat.Evaluation.Grid;

/// <summary>Quality against bytes, as SVG: one line per policy, allocator and format, bytes on a logarithmic axis.</summary>
internal static class QualityPlot
{
    private const double Width = 900, Height = 480, Left = 60, Top = 40, PlotWidth = 560, PlotHeight = 370, LegendStep = 18;
    private static readonly string[] s_colours = ["#1b6ca8", "#d1495b", "#2e8b57", "#e0912f", "#7d4f9e", "#4a4a4a", "#00a3a3", "#a0522d", "#c71585", "#6b8e23", "#708090", "#ff6f61", "#20639b", "#8c564b"];

    public static string Draw(string title, IReadOnlyList<GridRow> rows)
    {
        GridRow[] points = [.. rows.Where(r => r.OfFull is not null && r.BytesOfFull is > 0)];
        double least = points.Length == 0 ? 1.0 / 64 : Math.Min(0.5, points.Min(r => r.BytesOfFull));
        int octaves = Math.Max(1, (int)Math.Ceiling(-Math.Log2(least) - 1e-9));
        var series = points.Where(r => !r.Cell.IsFull).GroupBy(r => (r.Cell.Policy, r.Cell.AllocatorName, r.Cell.FormatName)).ToArray();
        double height = Math.Max(Height, Top + 20 + (LegendStep * series.Length));
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<rect width=\"{Width}\" height=\"{height}\" fill=\"white\"/>\n<text x=\"{Left}\" y=\"22\" font-size=\"15\">{WebUtility.HtmlEncode(title)}: right answers of the full cache's, against bytes</text>\n");
        Axes(svg, octaves);
        for (int i = 0; i < series.Length; i++)
            Line(svg, octaves, Style(i), s_colours[i % s_colours.Length], $"{series[i].Key.Policy} {series[i].Key.AllocatorName} {series[i].Key.FormatName}", [.. series[i].OrderBy(r => r.BytesOfFull)], i);
        foreach (GridRow full in points.Where(r => r.Cell.IsFull))
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(full, octaves):0.#}\" cy=\"{Y(full):0.#}\" r=\"4\" fill=\"black\"><title>{full.Cell.Key} {full.OfFull:P1}</title></circle>\n");
        return svg.Append("</svg>\n").ToString();
    }

    private static void Axes(StringBuilder svg, int octaves)
    {
        for (int i = 0; i <= octaves; i++)
        {
            double x = Left + (PlotWidth * i / octaves);
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{x:0.#} {Top}V{Top + PlotHeight}\" stroke=\"#ddd\"/><text x=\"{x:0.#}\" y=\"{Top + PlotHeight + 18}\" text-anchor=\"middle\">1/{1L << (octaves - i)}</text>\n");
        }

        for (int percent = 0; percent <= 100; percent += 20)
        {
            double y = Top + (PlotHeight * (100 - percent) / 100);
            svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {y:0.#}H{Left + PlotWidth}\" stroke=\"#ddd\"/><text x=\"{Left - 8}\" y=\"{y + 4:0.#}\" text-anchor=\"end\">{percent} %</text>\n");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + (PlotWidth / 2)}\" y=\"{Height - 18}\" text-anchor=\"middle\">bytes of the cache, share of the full cache in F16</text>\n");
    }

    private static void Line(StringBuilder svg, int octaves, string style, string colour, string name, GridRow[] points, int number)
    {
        string path = string.Join(' ', points.Select(r => string.Create(CultureInfo.InvariantCulture, $"{X(r, octaves):0.#},{Y(r):0.#}")));
        svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{path}\" fill=\"none\" {style}/>\n");
        foreach (GridRow point in points)
            svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(point, octaves):0.#}\" cy=\"{Y(point):0.#}\" r=\"3\" fill=\"{colour}\"><title>{WebUtility.HtmlEncode(point.Cell.Key)} {point.OfFull:P1}</title></circle>\n");
        double y = Top + 10 + (LegendStep * number);
        svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left + PlotWidth + 20} {y}h20\" {style}/><text x=\"{Left + PlotWidth + 46}\" y=\"{y + 4}\">{WebUtility.HtmlEncode(name)}</text>\n");
    }

    /// <summary>Colours come again with other dashes when there are more lines than colours.</summary>
    private static string Style(int number)
    {
        int round = number / s_colours.Length;
        string dashes = round == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" stroke-dasharray=\"{2 + (4 * round)} 4\"");
        return $"stroke=\"{s_colours[number % s_colours.Length]}\" stroke-width=\"2\"{dashes}";
    }

    private static double X(GridRow row, int octaves) => Left + (PlotWidth * (1 + (Math.Log2(Math.Min(1.1, row.BytesOfFull)) / octaves)));

    private static double Y(GridRow row) => Top + (PlotHeight * (1 - row.OfFull!.Value));
}
