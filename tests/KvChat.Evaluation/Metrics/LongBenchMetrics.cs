using System.Text;

namespace KvChat.Evaluation.Metrics;

/// <summary>The metrics of LongBench (arXiv 2308.14508, table 1 and its published evaluation), for its English and code datasets.</summary>
public static class LongBenchMetrics
{
    /// <summary>F1 of the words, after letter case, punctuation and articles are dropped.</summary>
    public static IAnswerMetric WordF1 { get; } = AnswerMetric.BestOf("qa-f1", (answer, text) => F1(Words(answer), Words(text)));

    /// <summary>ROUGE-L of whole summaries.</summary>
    public static IAnswerMetric RougeL { get; } = AnswerMetric.BestOf("rouge-l", Metrics.RougeL.F);

    /// <summary>Named classes: 1 over the number of classes that the answer names, if the right one is among them.</summary>
    public static IAnswerMetric Classification { get; } = new AnswerMetric("classification",
        (answer, expected) => expected.Texts.Count == 0 ? 0 : expected.Texts.Max(right => Named(answer, right, expected.Classes)));

    /// <summary>The share of the numbers in the answer that are the number of the right paragraph.</summary>
    public static IAnswerMetric Retrieval { get; } = AnswerMetric.BestOf("retrieval", (answer, text) =>
        Numbers(text) is [var paragraph, ..] ? ShareEqual(Numbers(answer), paragraph) : 0);

    /// <summary>The share of the numbers in the answer that are the right count.</summary>
    public static IAnswerMetric Count { get; } = AnswerMetric.BestOf("count", (answer, text) => ShareEqual(Numbers(answer), text.Trim()));

    /// <summary>Likeness of the answer's first line of code with the right line: 1 less the share of characters to be inserted or deleted, in whole percent.</summary>
    public static IAnswerMetric CodeSimilarity { get; } = AnswerMetric.BestOf("code-similarity", (answer, text) => Likeness(FirstCodeLine(answer), text));

    internal static double F1(IReadOnlyList<string> answer, IReadOnlyList<string> right)
    {
        var left = right.GroupBy(w => w, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count(), StringComparer.Ordinal);
        int common = 0;
        foreach (string word in answer)
        {
            if (left.TryGetValue(word, out int count) && count > 0)
            {
                left[word] = count - 1;
                common++;
            }
        }

        if (common == 0)
            return 0;
        double precision = (double)common / answer.Count, recall = (double)common / right.Count;
        return 2 * precision * recall / (precision + recall);
    }

    /// <summary>Words in small letters, without ASCII punctuation and without a, an, the.</summary>
    internal static string[] Words(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (!char.IsAscii(c) || !(char.IsPunctuation(c) || char.IsSymbol(c)))
                plain.Append(char.ToLowerInvariant(c));
        }

        return [.. plain.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Where(w => w is not ("a" or "an" or "the"))];
    }

    private static double Named(string answer, string right, IReadOnlyList<string> classes)
    {
        // A class whose name is only a part of the right one's is not counted against it.
        string[] named = [.. classes.Where(c => answer.Contains(c, StringComparison.Ordinal) && (c == right || !right.Contains(c, StringComparison.Ordinal)))];
        return named.Contains(right) ? 1.0 / named.Length : 0;
    }

    private static double ShareEqual(string[] numbers, string right) => numbers.Length == 0 ? 0 : (double)numbers.Count(n => n == right) / numbers.Length;

    private static string[] Numbers(string text) =>
        [.. new string([.. text.Select(c => char.IsAsciiDigit(c) ? c : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries)];

    private static string FirstCodeLine(string answer) =>
        answer.TrimStart('\n').Split('\n').FirstOrDefault(l => !l.Contains('`', StringComparison.Ordinal) && !l.Contains('#', StringComparison.Ordinal) && !l.Contains("//", StringComparison.Ordinal)) ?? "";

    private static double Likeness(string a, string b)
    {
        int total = a.Length + b.Length;
        return total == 0 ? 0 : Math.Round(200.0 * CommonSubsequence.Length<char>(a.AsSpan(), b.AsSpan()) / total) / 100;
    }
}
