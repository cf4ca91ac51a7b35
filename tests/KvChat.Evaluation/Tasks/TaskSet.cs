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
    /// <summary>
    /// The set with no document longer than a model can read: of a longer one the middle is left out, as LongBench does.
    /// </summary>
    /// <param name="contextTokens">Tokens that document, question and answer have together, with what a template writes.</param>
    /// <param name="starts">Encodes a text: where each token starts in it.</param>
    /// <param name="cut">Receives how many documents were cut.</param>
    public TaskSet Fitting(int contextTokens, Func<string, IReadOnlyList<int>> starts, out int cut)
    {
        ArgumentNullException.ThrowIfNull(starts);
        const int template = 128;
        int count = 0;
        TaskDocument[] documents = [.. Documents.Select(Fit)];
        cut = count;
        return this with { Documents = documents };

        TaskDocument Fit(TaskDocument document)
        {
            int room = contextTokens - AnswerTokens - template - document.Questions.Max(q => starts(q.Text).Count) - (System is null ? 0 : starts(System).Count);
            IReadOnlyList<int> at = starts(document.Text);
            int half = Math.Max(1, room / 2);
            if (at.Count <= room)
                return document;
            count++;
            return document with { Text = document.Text[..at[half]] + document.Text[at[at.Count - half]..] };
        }
    }

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
