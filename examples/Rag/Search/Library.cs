using Rag.Reading;

namespace Rag.Search;

/// <summary>The documents of a folder, cut into passages and indexed.</summary>
internal sealed class Library
{
    private readonly Bm25Index<Passage> _index;
    private readonly Dictionary<string, int> _rarity;

    public Library(IReadOnlyList<SourceDocument> documents, int passageWords)
    {
        Documents = documents;
        Passages = [.. documents.SelectMany(d => Passage.Split(d, passageWords))];
        _index = new Bm25Index<Passage>(Passages, p => p.Text);
        _rarity = Passages.SelectMany(p => Bm25Index<Passage>.Words(p.Text)).CountBy(w => w, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
    }

    public IReadOnlyList<SourceDocument> Documents { get; }

    public IReadOnlyList<Passage> Passages { get; }

    /// <summary>The best passages for a question, in the order of their scores.</summary>
    public IReadOnlyList<Passage> Find(string question, int most) => [.. _index.Search(question, most).Select(f => f.Item)];

    /// <summary>The best documents: by the sum of their three best passages.</summary>
    public IReadOnlyList<SourceDocument> FindDocuments(string question, int most) =>
    [
        .. _index.Search(question, Passages.Count).GroupBy(f => f.Item.Source).OrderByDescending(g => g.Take(3).Sum(f => f.Score)).Take(most).Select(g => g.Key),
    ];

    /// <summary>
    /// Where an answer stands: among these passages the sentence that shares most of its rare words, if that sentence has what the answer adds to the question, and what the
    /// question asks about. Null where there is none: then nothing should be built on the answer.
    /// </summary>
    public Citation? Cite(string question, string answer, IReadOnlyList<Passage> among)
    {
        HashSet<string> asked = [.. Bm25Index<Citation>.Words(question)];
        string[] added = [.. Bm25Index<Citation>.Words(answer).Where(w => !asked.Contains(w) && (w.Length > 3 || w.Any(char.IsAsciiDigit)))];
        string? subject = asked.Where(_rarity.ContainsKey).MinBy(w => _rarity[w]);
        var sentences = among.SelectMany(p => Sentences(p.Text).Select(s => new Citation(p, s)));
        foreach ((Citation citation, _) in new Bm25Index<Citation>(sentences, c => c.Quote).Search(answer, 3))
        {
            HashSet<string> quoted = [.. Bm25Index<Citation>.Words(citation.Quote)];
            if (added.Any(quoted.Contains) && (subject is null || quoted.Contains(subject)))
                return citation;
        }

        return null;
    }

    private static IEnumerable<string> Sentences(string text) => text.Split("\n\n").SelectMany(p => p.Split(". ")).Select(s => s.TrimEnd('.'));
}

/// <summary>The passage that an answer rests on, and its sentence.</summary>
internal sealed record Citation(Passage Passage, string Quote);
