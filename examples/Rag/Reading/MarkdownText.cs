using System.Text.RegularExpressions;

namespace Rag.Reading;

/// <summary>The text of Markdown without its marks: enough for prose, not a parser.</summary>
internal static partial class MarkdownText
{
    public static IEnumerable<string> Paragraphs(string markdown) => PlainText.Paragraphs(Text(markdown));

    private static string Text(string markdown)
    {
        string text = FrontMatter().Replace(markdown, "");
        text = Comment().Replace(text, "");
        text = Heading().Replace(text, "\n$1\n"); // a paragraph of its own
        text = Fence().Replace(text, "");
        text = LineMark().Replace(text, "");
        text = Link().Replace(text, "$1");
        text = Strong().Replace(text, "$2");
        return Emphasis().Replace(text, "$2").Replace("`", "", StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\A---\r?\n.*?\n---\r?\n", RegexOptions.Singleline)]
    private static partial Regex FrontMatter();

    [GeneratedRegex("<!--.*?-->", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^#{1,6}[ \t]+(.*?)[ \t#]*$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^(```|~~~).*$", RegexOptions.Multiline)]
    private static partial Regex Fence();

    /// <summary>Marks at the start of a line: quotations, lists, rules.</summary>
    [GeneratedRegex(@"^[ \t]*(?:>[ \t]?)+|^[ \t]*[-*+][ \t]+|^[ \t]*\d{1,9}[.)][ \t]+|^[ \t]*(?:[-*_][ \t]*){3,}$", RegexOptions.Multiline)]
    private static partial Regex LineMark();

    [GeneratedRegex(@"!?\[([^\]\[]*)\](?:\([^()\s]*(?:\s+""[^""]*"")?\)|\[[^\]\[]*\])")]
    private static partial Regex Link();

    [GeneratedRegex(@"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", RegexOptions.Singleline)]
    private static partial Regex Strong();

    [GeneratedRegex(@"(?<!\w)([*_])(?=\S)([^*_]+?)(?<=\S)\1(?!\w)")]
    private static partial Regex Emphasis();
}
