namespace KvChat.Evaluation.Metrics;

/// <summary>Metrics that look for expected texts in an answer; the last two are those of RULER (arXiv 2404.06654).</summary>
public static class MatchMetrics
{
    /// <summary>1 where the answer, white space around it aside, is one of the accepted ones.</summary>
    public static IAnswerMetric Exact { get; } = AnswerMetric.BestOf("exact", (answer, text) => answer.Trim() == text.Trim() ? 1 : 0);

    /// <summary>1 where the answer contains one of the accepted texts, letter case as it is.</summary>
    public static IAnswerMetric Value { get; } = AnswerMetric.BestOf("value", (answer, text) => answer.Contains(text, StringComparison.Ordinal) ? 1 : 0);

    /// <summary>The share of the expected texts that the answer contains, letter case aside (RULER's string_match_all).</summary>
    public static IAnswerMetric All { get; } = new AnswerMetric("match-all",
        (answer, expected) => expected.Texts.Count == 0 ? 0 : expected.Texts.Average(text => Contains(answer, text)));

    /// <summary>1 where the answer contains any of the expected texts, letter case aside (RULER's string_match_part).</summary>
    public static IAnswerMetric Any { get; } = AnswerMetric.BestOf("match-any", Contains);

    private static double Contains(string answer, string text) => answer.Contains(text, StringComparison.OrdinalIgnoreCase) ? 1 : 0;
}
