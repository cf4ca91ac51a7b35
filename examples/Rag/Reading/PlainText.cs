using System.Text.RegularExpressions;

namespace Rag.Reading;

/// <summary>Paragraphs of a text: what blank lines set apart, each on one line.</summary>
internal static partial class PlainText
{
    public static IEnumerable<string> Paragraphs(string text) => BlankLines().Split(text).Select(Line).Where(p => p.Length > 0);

    /// <summary>White space, line breaks among it, becomes single spaces.</summary>
    public static string Line(string text) => Spaces().Replace(text, " ").Trim();

    [GeneratedRegex(@"\r?\n[ \t]*(?:\r?\n[ \t]*)+")]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
