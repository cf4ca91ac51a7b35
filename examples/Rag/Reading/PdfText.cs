using UglyToad.PdfPig;
using UglyToad.PdfPig.DocumentLayoutAnalysis.TextExtractor;

namespace Rag.Reading;

/// <summary>The text of a PDF, page by page, in the order of its content.</summary>
internal static class PdfText
{
    public static IEnumerable<string> Paragraphs(string path)
    {
        using PdfDocument document = PdfDocument.Open(path);
        List<string> paragraphs = [];
        foreach (UglyToad.PdfPig.Content.Page page in document.GetPages())
            paragraphs.AddRange(PlainText.Paragraphs(ContentOrderTextExtractor.GetText(page, addDoubleNewline: true)));
        return paragraphs;
    }
}
