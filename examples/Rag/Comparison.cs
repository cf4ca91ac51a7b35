using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Rag.Answers;

namespace Rag;

/// <summary>A question whose answer is known.</summary>
internal sealed record KnownQuestion(string Text, string Value)
{
    /// <exception cref="InvalidDataException">A line is not as it should be; the message names it.</exception>
    public static IReadOnlyList<KnownQuestion> Read(string path)
    {
        List<KnownQuestion> questions = [];
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                using JsonDocument json = JsonDocument.Parse(line);
                questions.Add(new KnownQuestion(json.RootElement.GetProperty("question").GetString()!, json.RootElement.GetProperty("value").GetString()!));
            }
            catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new InvalidDataException($"{path}, line {number}: {error.Message} Wanted: question and value.", error);
            }
        }

        return questions.Count > 0 ? questions : throw new InvalidDataException($"{path} holds no question.");
    }
}

/// <summary>What one way of answering did with all questions.</summary>
internal sealed record Outcome(string Name, Preparation Preparation, int Asked, int Right, int CitedRight, TimeSpan FirstTokenMean, TimeSpan FirstTokenWorst, long TokensRead, long KvBytesMean, TimeSpan Time)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Name,-9} | {Right,3} of {Asked,-3} | {CitedRight,3} of {Asked,-3} | {FirstTokenMean.TotalSeconds,6:0.00} / {FirstTokenWorst.TotalSeconds,-6:0.00} | {TokensRead / (double)Asked,8:0} | {KvBytesMean / 1e6,7:0.00} | {Preparation.ResidentBytes / 1e6,8:0.0} | {Preparation.TokensRead,8} in {Preparation.Time.TotalSeconds,5:0.0} s | {Time.TotalSeconds,6:0.0}");

    public static string Head =>
        "way       | right      | cited      | first token, s  | tokens/q | KV MB/q | resident | prepared           | all, s\n"
        + "          |            |            | mean / worst    | read     | own     | KV MB    | tokens             |";
}

/// <summary>Asks all questions, so many users at once, and counts.</summary>
internal static class Comparison
{
    public static async Task<Outcome> RunAsync(IAnswerer answerer, IReadOnlyList<KnownQuestion> questions, int users, CancellationToken cancellationToken)
    {
        Preparation preparation = await answerer.PrepareAsync(cancellationToken);
        var answers = new ConcurrentBag<(KnownQuestion Question, Answer Answer)>();
        long start = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = users, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(questions, parallel, async (question, cancel) => answers.Add((question, await answerer.AskAsync(question.Text, cancel))));
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        return new Outcome(
            answerer.Name,
            preparation,
            answers.Count,
            answers.Count(a => a.Answer.Text.Contains(a.Question.Value, StringComparison.Ordinal)),
            answers.Count(a => a.Answer.Citation?.Quote.Contains(a.Question.Value, StringComparison.Ordinal) == true),
            TimeSpan.FromSeconds(answers.Average(a => a.Answer.FirstToken.TotalSeconds)),
            answers.Max(a => a.Answer.FirstToken),
            answers.Sum(a => a.Answer.TokensRead),
            (long)answers.Average(a => a.Answer.KvBytes),
            time);
    }
}
