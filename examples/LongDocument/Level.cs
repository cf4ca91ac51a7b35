using System.Diagnostics;
using KvChat;
using KvChat.Runtime.Scheduling;

namespace LongDocument;

/// <summary>Asks one question about every document, all sessions opened together in one KV budget.</summary>
internal static class Level
{
    private const int AnswerTokens = 64;

    /// <summary>Measures one compression.</summary>
    /// <param name="settings">What the command line said.</param>
    /// <param name="documents">A session each.</param>
    /// <param name="cacheBytes">The budget of all sessions together.</param>
    /// <param name="times">How many times smaller the cache shall be.</param>
    /// <param name="answered">Called after every answer.</param>
    /// <param name="cancellationToken">Ends the measurement.</param>
    public static async Task<LevelResult> MeasureAsync(
        Settings settings, IReadOnlyList<Document> documents, long cacheBytes, int times, Action answered, CancellationToken cancellationToken)
    {
        await using KvCompressChatClient client = await settings.LoadAsync(cacheBytes, cancellationToken);
        var engine = (InferenceEngine)client.GetService(typeof(InferenceEngine))!;
        using var finished = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<int> watch = WatchAsync(engine, finished.Token);
        long start = Stopwatch.GetTimestamp();
        Answer?[] answers = await Task.WhenAll(documents.Select(async document =>
        {
            Answer? answer = await AskAsync(client, document, times, cancellationToken);
            answered();
            return answer;
        }));
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        await finished.CancelAsync();
        int right = documents.Zip(answers).Count(pair => pair.Second is { } answer && IsRight(settings, pair.First.Questions[0], answer));
        return new LevelResult(times, await watch, answers, right, elapsed);
    }

    /// <returns>Null where the document does not fit into the budget even alone.</returns>
    private static async Task<Answer?> AskAsync(KvCompressChatClient client, Document document, int times, CancellationToken cancellationToken)
    {
        try
        {
            return await new Conversation(client, document.Text, Settings.Times(times)).AskAsync(document.Questions[0].Text, AnswerTokens, null, cancellationToken);
        }
        catch (KvCapacityException)
        {
            return null;
        }
    }

    /// <summary>The embedded model has learnt one wording; any other is asked for the value alone.</summary>
    public static bool IsRight(Settings settings, Question question, Answer answer) => settings.IsEmbedded
        ? answer.Text == question.Answer.Trim()
        : answer.Text.Contains(question.Value, StringComparison.OrdinalIgnoreCase);

    /// <summary>The most sessions that had read their document and had its KVs at the same time.</summary>
    private static async Task<int> WatchAsync(InferenceEngine engine, CancellationToken finished)
    {
        int most = 0;
        while (true)
        {
            EngineStatistics now = engine.GetStatistics();
            most = Math.Max(most, now.Running - now.Reading - now.Preempted + now.Held);
            if (finished.IsCancellationRequested)
                return most;
            await Task.Delay(5, CancellationToken.None);
        }
    }
}
