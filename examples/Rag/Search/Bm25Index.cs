using System.Text.RegularExpressions;

namespace Rag.Search;

/// <summary>
/// Okapi BM25 over texts in memory (Robertson and others, TREC-3, 1994): how often a text holds the rare words of a question, with less for every repetition and for long texts.
/// </summary>
internal sealed partial class Bm25Index<T>
{
    private const double K1 = 1.2, B = 0.75;
    private readonly T[] _items;
    private readonly int[] _lengths;
    private readonly double _meanLength;
    private readonly Dictionary<string, List<(int Item, int Count)>> _postings = new(StringComparer.Ordinal);

    public Bm25Index(IEnumerable<T> items, Func<T, string> text)
    {
        _items = [.. items];
        _lengths = new int[_items.Length];
        for (int i = 0; i < _items.Length; i++)
        {
            foreach (IGrouping<string, string> word in Words(text(_items[i])).GroupBy(w => w, StringComparer.Ordinal))
            {
                if (!_postings.TryGetValue(word.Key, out List<(int, int)>? places))
                    _postings[word.Key] = places = [];
                int count = word.Count();
                places.Add((i, count));
                _lengths[i] += count;
            }
        }

        _meanLength = _items.Length == 0 ? 1 : Math.Max(1, _lengths.Average());
    }

    /// <summary>The items with the highest scores, the best first; none that shares no word with the query.</summary>
    public IReadOnlyList<(T Item, double Score)> Search(string query, int most)
    {
        var scores = new Dictionary<int, double>();
        foreach (string word in Words(query).Distinct(StringComparer.Ordinal))
        {
            if (!_postings.TryGetValue(word, out List<(int Item, int Count)>? places))
                continue;
            double rarity = Math.Log(1 + ((_items.Length - places.Count + 0.5) / (places.Count + 0.5)));
            foreach ((int item, int count) in places)
            {
                double norm = K1 * (1 - B + (B * _lengths[item] / _meanLength));
                scores[item] = scores.GetValueOrDefault(item) + (rarity * count * (K1 + 1) / (count + norm));
            }
        }

        return [.. scores.OrderByDescending(s => s.Value).ThenBy(s => s.Key).Take(most).Select(s => (_items[s.Key], s.Value))];
    }

    /// <summary>Words as the index sees them.</summary>
    public static IEnumerable<string> Words(string text) => Word().Matches(text).Select(m => m.Value.ToLowerInvariant());

    [GeneratedRegex(@"[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*")]
    private static partial Regex Word();
}
