using KvChat.Evaluation.Metrics;
using KvChat.Evaluation.Questions;
using KvChat.Evaluation.Tasks;
using KvChat.Runtime.Models;

namespace KvChat.Evaluation.Grid;

/// <summary>The task sets of a run.</summary>
internal static class GridSources
{
    private const int QuestionsPerDocument = 5;

    /// <exception cref="FormatException">A file is not as it should be.</exception>
    /// <exception cref="ArgumentException">There is no task of that name.</exception>
    public static IReadOnlyList<TaskSet> Read(GridSettings settings, LoadedModel model, int contextTokens)
    {
        int Count(string text) => model.Tokenizer.Encode(text, allowSpecial: false).Ids.Length;
        var sets = new List<TaskSet>();
        foreach (string path in settings.Questions)
            sets.Add(FromFile(path, settings.MatchValue).Limited(settings.Limit));
        foreach (string task in settings.Generate)
        {
            int perDocument = task == "common-words" ? 1 : QuestionsPerDocument, documents = (settings.Limit + perDocument - 1) / perDocument;
            foreach (int tokens in settings.Lengths)
                sets.Add(TaskNames.Generate(task, tokens, documents, perDocument, settings.Seed, Count, settings.MatchValue).Limited(settings.Limit));
        }

        if (settings.Data is { } data)
            sets.AddRange(PublishedData.Read(data, settings.Limit, path => Console.Error.WriteLine($"{path} is left out: there is no metric for Chinese here.")).Select(s => Fitting(s, model, contextTokens)));
        return sets.Select(s => s.Name).Distinct().Count() == sets.Count ? sets : throw new FormatException("Two task sets have the same name; give each file and task once.");
    }

    private static TaskSet Fitting(TaskSet set, LoadedModel model, int contextTokens)
    {
        TaskSet fitting = set.Fitting(contextTokens, text => model.Tokenizer.Encode(text, allowSpecial: false).Starts, out int cut);
        if (cut > 0)
            Console.Error.WriteLine($"{set.Name}: {cut} of {set.Documents.Count} documents are longer than the model's context; their middle is left out.");
        return fitting;
    }

    private static TaskSet FromFile(string path, bool matchValue) => new(
        Path.GetFileNameWithoutExtension(path),
        [.. QuestionFile.Read(path).Where(d => d.Qa.Count > 0).Select(d => new TaskDocument(d.Id, d.Document,
            [.. d.Qa.Select(q => new TaskQuestion(q.Question, new ExpectedAnswer(matchValue ? q.Value : q.Answer)))]))],
        matchValue ? MatchMetrics.Value : MatchMetrics.Exact, 64);
}
