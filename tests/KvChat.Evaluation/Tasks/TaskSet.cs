using KvChat.Evaluation.Metrics;
using KvChat.Evaluation.Questions;

namespace KvChat.Evaluation.Tasks;

/// <summary>A question about a document.</summary>
public sealed record TaskQuestion(string Text, ExpectedAnswer Expected);

/// <summary>A document with questions.</summary>
/// <param name="Id">Its name within its set.</param>
/// <param name="Text">All that stands before the question, and may be compressed.</param>
/// <param name="Questions">At least one.</param>
public sealed record TaskDocument(string Id, string Text, IReadOnlyList<TaskQuestion> Questions);

/// <summary>Documents of one kind and length, with the metric that their answers are measured by.</summary>
/// <param name="Name">Name in reports and file names.</param>
/// <param name="Documents">At least one.</param>
/// <param name="Metric">What an answer scores.</param>
/// <param name="AnswerTokens">Most tokens of an answer.</param>
/// <param name="System">The system prompt, or null for none.</param>
public sealed record TaskSet(string Name, IReadOnlyList<TaskDocument> Documents, IAnswerMetric Metric, int AnswerTokens, string? System = "Answer from the document only.")
{
    /// <summary>The set with at most so many questions: question 1 of every document, then question 2, and so on.</summary>
    public TaskSet Limited(int questions)
    {
        int[] taken = QuestionChoice.Taken([.. Documents.Select(d => d.Questions.Count)], questions);
        return this with
        {
            Documents = [.. Documents.Select((d, i) => d with { Questions = [.. d.Questions.Take(taken[i])] }).Where(d => d.Questions.Count > 0)],
        };
    }
}
