using System.Net;
using System.Text.RegularExpressions;

namespace Rag.Reading;

/// <summary>The text of a page without its tags: block elements end paragraphs, scripts and styles go. Enough for prose, not a browser.</summary>
internal static partial class HtmlText
{
    public static IEnumerable<string> Paragraphs(string html)
    {
        string text = Hidden().Replace(html, " ");
        text = Block().Replace(text, "\u0001");
        text = Tag().Replace(text, "");
        return text.Split('\u0001').Select(p => PlainText.Line(WebUtility.HtmlDecode(p))).Where(p => p.Length > 0);
    }

    [GeneratedRegex(@"<!--.*?-->|<(script|style|head|noscript|template)\b.*?</\1\s*>", RegexOptions.Singleline | RegexOptions.IgnoreCase)]
    private static partial Regex Hidden();

    [GeneratedRegex(@"</?(?:p|div|section|article|main|header|footer|nav|aside|h[1-6]|ul|ol|li|dl|dt|dd|table|tr|blockquote|pre|figure|figcaption|hr|br\s*/?><br|body|html)\b[^>]*>", RegexOptions.IgnoreCase)]
    private static partial Regex Block();

    [GeneratedRegex("<[!/?a-zA-Z][^>]*>")]
    private static partial Regex Tag();
}
