namespace LongDocument;

/// <summary>What one compression made of the same documents and questions.</summary>
/// <param name="Times">How many times smaller the cache was to be; 1 is off.</param>
/// <param name="AtOnce">Most sessions whose KVs were in the budget at the same time, answering or ready for their next question.</param>
/// <param name="Sessions">An answer per session; null where the document did not fit into the budget even alone.</param>
/// <param name="Right">Right answers.</param>
/// <param name="Elapsed">From the first question to the last answer.</param>
internal sealed record LevelResult(int Times, int AtOnce, IReadOnlyList<Answer?> Sessions, int Right, TimeSpan Elapsed)
{
    /// <summary>The answers of the sessions that fitted.</summary>
    public IReadOnlyList<Answer> Answers { get; } = [.. Sessions.OfType<Answer>()];

    /// <summary>Bytes of a session's pages when its answer starts, on average.</summary>
    public double BytesPerSession => Answers.Average(a => (double)a.Kvs.BytesAtAnswer);

    public double PromptRate => Answers.Sum(a => a.PromptTokens - a.CachedTokens) / Elapsed.TotalSeconds;

    public double AnswerRate => Answers.Sum(a => a.AnswerTokens) / Elapsed.TotalSeconds;

    /// <summary>Seconds from asking to the first token, waiting for room included, on average.</summary>
    public double FirstToken => Answers.Average(a => a.FirstToken.TotalSeconds);
}
