using Rag.Reading;

namespace Rag.Search;

/// <summary>A stretch of a document, long enough to be understood by itself.</summary>
internal sealed record Passage(SourceDocument Source, int Number, string Text)
{
    public override string ToString() => $"{Source.Name}, passage {Number}";

    /// <summary>Cuts a document between paragraphs into passages of about so many words; a longer paragraph stays whole.</summary>
    public static IReadOnlyList<Passage> Split(SourceDocument document, int words)
    {
        List<Passage> passages = [];
        List<string> open = [];
        int count = 0;
        foreach (string paragraph in document.Paragraphs)
        {
            int more = paragraph.Split(' ').Length;
            if (count > 0 && count + more > words)
                Close();
            open.Add(paragraph);
            count += more;
        }

        if (open.Count > 0)
            Close();
        return passages;

        void Close()
        {
            passages.Add(new Passage(document, passages.Count + 1, string.Join("\n\n", open)));
            open.Clear();
            count = 0;
        }
    }
}
