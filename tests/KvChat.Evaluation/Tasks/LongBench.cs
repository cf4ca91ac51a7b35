using System.Text.Json;
using KvChat.Evaluation.Metrics;

namespace KvChat.Evaluation.Tasks;

/// <summary>The English and code datasets of LongBench: their metrics and lengths of answers are the published ones, the words around the texts are ours.</summary>
internal sealed record LongBench(string Name, IAnswerMetric Metric, int AnswerTokens, string Before, string After, bool FirstLineOnly = false)
{
    private const string Articles = "Read the following and answer from it.";
    private const string ShortAnswer = "Answer with as few words as possible and say nothing else.\n\nQuestion: {0}";
    private const string Examples = "The following examples show how it is done.";

    private static readonly Dictionary<string, LongBench> s_datasets = new LongBench[]
    {
        new("narrativeqa", LongBenchMetrics.WordF1, 128, "Read the following story.", ShortAnswer),
        new("qasper", LongBenchMetrics.WordF1, 128, "Read the following scientific paper.", "Answer from the paper with as few words as possible: yes, no, unanswerable, or a phrase.\n\nQuestion: {0}"),
        new("multifieldqa_en", LongBenchMetrics.WordF1, 64, Articles, ShortAnswer),
        new("hotpotqa", LongBenchMetrics.WordF1, 32, Articles, ShortAnswer),
        new("2wikimqa", LongBenchMetrics.WordF1, 32, Articles, ShortAnswer),
        new("musique", LongBenchMetrics.WordF1, 32, Articles, ShortAnswer),
        new("gov_report", LongBenchMetrics.RougeL, 512, "Read the following report.", "Write a summary of the report in one page."),
        new("qmsum", LongBenchMetrics.RougeL, 512, "Read the following record of a meeting.", "Answer in one or more sentences.\n\nQuestion: {0}"),
        new("multi_news", LongBenchMetrics.RougeL, 512, "Read the following news.", "Write a summary of all the news in one page."),
        new("trec", LongBenchMetrics.Classification, 64, Examples, "{0}", FirstLineOnly: true),
        new("triviaqa", LongBenchMetrics.WordF1, 32, Examples, "{0}", FirstLineOnly: true),
        new("samsum", LongBenchMetrics.RougeL, 128, Examples, "{0}", FirstLineOnly: true),
        new("passage_count", LongBenchMetrics.Count, 32, "Some of the following paragraphs stand there more than once.", "How many different paragraphs are there? Answer with the number alone."),
        new("passage_retrieval_en", LongBenchMetrics.Retrieval, 32, "Read the following paragraphs and the summary after them.",
            "{0}\n\nWhich paragraph does this summarise? Answer in the form \"Paragraph 1\"."),
        new("lcc", LongBenchMetrics.CodeSimilarity, 64, "Complete the code.", "Write the next line of code."),
        new("repobench-p", LongBenchMetrics.CodeSimilarity, 64, "Complete the code.", "{0}\n\nWrite the next line of code."),
    }.ToDictionary(d => d.Name, StringComparer.Ordinal);

    public static IEnumerable<string> Names => s_datasets.Keys;

    /// <summary>The dataset of a file; LongBench-E's names end with <c>_e</c>.</summary>
    public static LongBench? Find(string file) => s_datasets.GetValueOrDefault(file.EndsWith("_e", StringComparison.Ordinal) ? file[..^2] : file);

    public TaskSet Read(string path, int? limit)
    {
        var documents = new List<TaskDocument>();
        foreach ((int line, JsonElement row) in PublishedData.Rows(path, limit))
        {
            string question = string.Format(System.Globalization.CultureInfo.InvariantCulture, After, PublishedData.Text(path, line, row, "input"));
            var expected = new ExpectedAnswer(PublishedData.Texts(path, line, row, "answers"), Metric == LongBenchMetrics.Classification ? PublishedData.Texts(path, line, row, "all_classes") : []);
            documents.Add(new TaskDocument($"{documents.Count:000}", $"{Before}\n\n{PublishedData.Text(path, line, row, "context")}", [new TaskQuestion(question, expected)]));
        }

        if (documents.Count == 0)
            throw new FormatException($"{path} holds no row.");
        IAnswerMetric metric = FirstLineOnly ? new AnswerMetric(Metric.Name, (answer, expected) => Metric.Score(answer.TrimStart('\n').Split('\n')[0], expected)) : Metric;
        return new TaskSet($"longbench-{Path.GetFileNameWithoutExtension(path)}", documents, metric, AnswerTokens, System: null);
    }
}
