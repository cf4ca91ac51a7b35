namespace KvChat.Evaluation.Metrics;

/// <summary>What a right answer says.</summary>
/// <param name="Texts">Accepted answers, or, for metrics that want all of them, the parts of the one answer.</param>
/// <param name="Classes">All classes of a classification task; empty for others.</param>
public sealed record ExpectedAnswer(IReadOnlyList<string> Texts, IReadOnlyList<string> Classes)
{
    public ExpectedAnswer(params string[] texts)
        : this(texts, [])
    {
    }
}

/// <summary>Compares an answer with what is expected.</summary>
public interface IAnswerMetric
{
    /// <summary>Name in reports.</summary>
    string Name { get; }

    /// <summary>From 0, wrong, to 1, right.</summary>
    double Score(string answer, ExpectedAnswer expected);
}

/// <summary>A metric made of a function.</summary>
internal sealed class AnswerMetric(string name, Func<string, ExpectedAnswer, double> score) : IAnswerMetric
{
    public string Name => name;

    public double Score(string answer, ExpectedAnswer expected)
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentNullException.ThrowIfNull(expected);
        return score(answer, expected);
    }

    /// <summary>The best score over the accepted answers, as LongBench counts.</summary>
    public static AnswerMetric BestOf(string name, Func<string, string, double> score) =>
        new(name, (answer, expected) => expected.Texts.Count == 0 ? 0 : expected.Texts.Max(text => score(answer, text)));
}
