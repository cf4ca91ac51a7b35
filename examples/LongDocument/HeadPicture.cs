using System.Globalization;
using System.Net;
using System.Text;

namespace LongDocument;

/// <summary>Draws how many KVs each layer and head of a session kept, as an SVG heat map.</summary>
internal static class HeadPicture
{
    private const int Left = 90, Top = 96, Legend = 150;

    /// <summary>Colours from few to many, readable without colour vision.</summary>
    private static readonly (int R, int G, int B)[] s_scale = [(247, 251, 255), (158, 202, 225), (66, 146, 198), (8, 69, 148), (8, 29, 88)];

    /// <summary>Writes the picture.</summary>
    /// <param name="path">Where to; its folder is made.</param>
    /// <param name="title">First line.</param>
    /// <param name="kept">KVs kept, <c>[layers * kvHeads]</c>.</param>
    /// <param name="kvHeads">KV heads of a layer.</param>
    /// <param name="seen">Tokens seen: what a head would have kept without compression.</param>
    public static void Write(string path, string title, IReadOnlyList<int> kept, int kvHeads, int seen)
    {
        int layers = kept.Count / kvHeads, cellWidth = Math.Clamp(640 / kvHeads, 14, 96), cellHeight = Math.Clamp(480 / layers, 14, 48);
        int least = kept.Min(), most = kept.Max(), right = Left + (kvHeads * cellWidth), bottom = Top + (layers * cellHeight);
        int width = Math.Max(right + Legend, 620), height = Math.Max(bottom + 40, Top + 200);
        var svg = new StringBuilder();
        svg.AppendLine(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">""");
        svg.AppendLine("""<rect width="100%" height="100%" fill="white"/>""");
        Text(svg, 16, 28, title, "start", 17);
        Text(svg, 16, 50, $"{kept.Sum(k => (long)k):N0} of {(long)seen * kept.Count:N0} KVs kept; a head keeps {least:N0} to {most:N0} of {seen:N0}", "start", 13);
        Text(svg, Left + (kvHeads * cellWidth / 2), 74, "KV head", "middle", 13);
        for (int head = 0; head < kvHeads; head++)
            Text(svg, Left + (head * cellWidth) + (cellWidth / 2), Top - 6, $"{head}", "middle", 11);
        for (int layer = 0; layer < layers; layer++)
        {
            int y = Top + (layer * cellHeight);
            Text(svg, Left - 8, y + (cellHeight / 2) + 4, layer == 0 ? "layer 0" : $"{layer}", "end", 11);
            for (int head = 0; head < kvHeads; head++)
                Cell(svg, Left + (head * cellWidth), y, cellWidth, cellHeight, kept[(layer * kvHeads) + head], least, most, $"layer {layer}, head {head}");
        }

        Scale(svg, right + 30, least, most);
        svg.AppendLine("</svg>");
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            Directory.CreateDirectory(folder);
        File.WriteAllText(path, svg.ToString());
    }

    private static void Cell(StringBuilder svg, int x, int y, int width, int height, int kept, int least, int most, string name)
    {
        double share = Share(kept, least, most);
        svg.AppendLine(CultureInfo.InvariantCulture,
            $"""<rect x="{x}" y="{y}" width="{width - 1}" height="{height - 1}" fill="{Colour(share)}" stroke="#ccc" stroke-width="0.5"><title>{name}: {kept} KVs</title></rect>""");
        if (width >= 32)
            Text(svg, x + (width / 2), y + (height / 2) + 4, $"{kept}", "middle", 11, share > 0.5 ? "white" : "black");
    }

    private static void Scale(StringBuilder svg, int x, int least, int most)
    {
        const int Steps = 20, Step = 7;
        Text(svg, x, Top - 6, "KVs kept", "start", 12);
        for (int i = 0; i < Steps; i++)
        {
            double share = 1 - (i / (double)(Steps - 1));
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<rect x="{x}" y="{Top + (i * Step)}" width="22" height="{Step}" fill="{Colour(share)}"/>""");
        }

        Text(svg, x + 28, Top + 10, $"{most:N0}", "start", 11);
        Text(svg, x + 28, Top + (Steps * Step / 2) + 4, $"{(least + most) / 2:N0}", "start", 11);
        Text(svg, x + 28, Top + (Steps * Step), $"{least:N0}", "start", 11);
    }

    private static double Share(int kept, int least, int most) => most == least ? 1 : (kept - least) / (double)(most - least);

    private static string Colour(double share)
    {
        double at = share * (s_scale.Length - 1);
        int lower = Math.Min((int)at, s_scale.Length - 2);
        (int R, int G, int B) a = s_scale[lower], b = s_scale[lower + 1];
        int Mix(int from, int to) => (int)Math.Round(from + ((at - lower) * (to - from)));
        return $"rgb({Mix(a.R, b.R)},{Mix(a.G, b.G)},{Mix(a.B, b.B)})";
    }

    private static void Text(StringBuilder svg, int x, int y, string text, string anchor, int size, string fill = "black") => svg.AppendLine(
        CultureInfo.InvariantCulture, $"""<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{WebUtility.HtmlEncode(text)}</text>""");
}
