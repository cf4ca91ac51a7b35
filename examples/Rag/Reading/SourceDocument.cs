namespace Rag.Reading;

/// <summary>A document as plain text: paragraphs with a blank line between them.</summary>
internal sealed record SourceDocument(string Name, IReadOnlyList<string> Paragraphs)
{
    public string Text => string.Join("\n\n", Paragraphs);
}
