namespace KvChat.Evaluation.Metrics;

/// <summary>
/// ROUGE-L over whole summaries: for every sentence of the reference the union of its longest common subsequences with the answer's sentences. Words count once
/// (sets, as the Python package that LongBench uses has it), sentences end at full stops.
/// </summary>
internal static class RougeL
{
    /// <summary>F1, from 0 to 1; 0 where one text has no word.</summary>
    public static double F(string answer, string reference)
    {
        string[][] said = Sentences(answer), wanted = Sentences(reference);
        int n = Distinct(said), m = Distinct(wanted);
        if (n == 0 || m == 0)
            return 0;
        var union = new HashSet<string>(StringComparer.Ordinal);
        foreach (string[] sentence in wanted)
        {
            foreach (string[] other in said)
                union.UnionWith(CommonSubsequence.Of(sentence, other));
        }

        double recall = (double)union.Count / m, precision = (double)union.Count / n;
        return recall + precision == 0 ? 0 : 2 * precision * recall / (precision + recall);
    }

    private static string[][] Sentences(string text) =>
        [.. text.Split('.', StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Where(s => s.Length > 0)];

    private static int Distinct(string[][] sentences) => sentences.SelectMany(s => s).Distinct(StringComparer.Ordinal).Count();
}
