namespace KvChat.Evaluation.Tasks;

/// <summary>The tasks that are generated here, by name.</summary>
public static class TaskNames
{
    /// <summary>Ledgers of invented facts, nearly every sentence a fact.</summary>
    public const string LongDoc = "longdoc";

    /// <summary>The same with one fact in about seven sentences.</summary>
    public const string Prose = "prose";

    /// <summary>All names; those after the first two are tasks in the manner of RULER (arXiv 2404.06654).</summary>
    public static IReadOnlyList<string> All { get; } = [LongDoc, Prose, .. RulerTasks.Names];

    /// <summary>Makes a set.</summary>
    /// <param name="name">One of <see cref="All"/>.</param>
    /// <param name="tokens">Length of a document in tokens, about.</param>
    /// <param name="documents">Number of documents.</param>
    /// <param name="questions">Questions of a document.</param>
    /// <param name="seed">The same seed makes the same set.</param>
    /// <param name="countTokens">Counts the tokens of a text.</param>
    /// <param name="matchValue">Whether answers about ledgers need only contain the value, for models that were not trained on the wording; the other tasks are matched so anyway.</param>
    /// <exception cref="ArgumentException">There is no such task.</exception>
    public static TaskSet Generate(string name, int tokens, int documents, int questions, int seed, Func<string, int> countTokens, bool matchValue = false) => name switch
    {
        LongDoc => LedgerTask.Generate(name, tokens, documents, questions, seed, (0.1, 0.4), countTokens, matchValue),
        Prose => LedgerTask.Generate(name, tokens, documents, questions, seed, (0.84, 0.88), countTokens, matchValue),
        _ => RulerTasks.Generate(name, tokens, documents, questions, seed, countTokens),
    };

    /// <summary>"4k" for 4,000 tokens and so on, for names of sets.</summary>
    internal static string Length(int tokens) => tokens % 1000 == 0 ? $"{tokens / 1000}k" : $"{tokens}";
}
