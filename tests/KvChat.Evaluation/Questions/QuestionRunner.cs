using System.Diagnostics;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Questions;

/// <summary>Asks all questions of one setting, many sessions at once, through the chat client as an application would.</summary>
internal sealed class QuestionRunner(IChatClient client, QuestionSettings settings)
{
    private const string System = "Answer from the document only.";
    private const int AnswerTokens = 64;

    /// <summary>Asks every question greedily.</summary>
    /// <param name="sessions">The sessions; the questions of one are asked one after another, its answers staying in the conversation.</param>
    /// <param name="compression">How their caches are compressed.</param>
    /// <param name="answered">Called after every answer.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<IReadOnlyList<QuestionOutcome>> RunAsync(
        IReadOnlyList<QuestionSession> sessions, KvCompression compression, Action<QuestionOutcome> answered, CancellationToken cancellationToken)
    {
        var outcomes = new List<QuestionOutcome>();
        var gate = new Lock();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = settings.Sessions, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, sessions.Count, parallel, async (i, token) =>
        {
            await foreach (QuestionOutcome outcome in AskAsync(i, sessions[i], compression, token).ConfigureAwait(false))
            {
                lock (gate)
                    outcomes.Add(outcome);
                answered(outcome);
            }
        }).ConfigureAwait(false);
        return [.. outcomes.OrderBy(o => o.Session).ThenBy(o => o.Turn)];
    }

    private async IAsyncEnumerable<QuestionOutcome> AskAsync(
        int number, QuestionSession session, KvCompression compression, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<ChatMessage> conversation = [new(ChatRole.System, System)];
        for (int turn = 0; turn < session.Questions.Count; turn++)
        {
            DocumentQuestion asked = session.Questions[turn];
            string text = turn == 0 ? $"{session.Document.Document}\n\n{asked.Question}" : asked.Question;
            conversation.Add(new ChatMessage(ChatRole.User, text));
            ChatOptions options = new ChatOptions { Temperature = 0, MaxOutputTokens = AnswerTokens }.WithKvCompression(compression);
            long start = Stopwatch.GetTimestamp();
            ChatResponse response = await client.GetResponseAsync(conversation, options, cancellationToken).ConfigureAwait(false);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            conversation.AddRange(response.Messages);
            KvUsage usage = response.GetKvUsage() ?? throw new InvalidOperationException("The response has no KV usage.");
            yield return new QuestionOutcome(number, turn + 1, IsRight(asked, response.Text), usage.PeakBytes, usage.BytesAtAnswer, seconds, response.Text);
        }
    }

    private bool IsRight(DocumentQuestion asked, string answer) => settings.Match == AnswerMatch.Exact
        ? answer.Trim() == asked.Answer.Trim()
        : answer.Contains(asked.Value, StringComparison.Ordinal);
}
