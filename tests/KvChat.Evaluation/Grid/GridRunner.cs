using System.Diagnostics;
using KvChat.Evaluation.Questions;
using KvChat.Evaluation.Tasks;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// Asks every question of every set in every cell through the chat client. Documents come one after another and cells within a document, so that a
/// document which the engine still holds is not read again where the policy allows it.
/// </summary>
internal sealed class GridRunner(KvCompressChatClient client, int sessions)
{
    /// <summary>Measures what is not in the file yet.</summary>
    /// <param name="sets">All sets.</param>
    /// <param name="cells">All cells, the full cache first.</param>
    /// <param name="file">Where answers go.</param>
    /// <param name="cancellationToken">Ends the run; what was answered stays in the file.</param>
    public async Task RunAsync(IReadOnlyList<TaskSet> sets, IReadOnlyList<GridCell> cells, GridFile<GridAnswer> file, CancellationToken cancellationToken)
    {
        foreach (TaskSet set in sets)
        {
            var missing = (
                from document in set.Documents
                from cell in cells
                let questions = Enumerable.Range(0, document.Questions.Count).Where(q => !file.Has((set.Name, document.Id, q, cell.Key))).ToArray()
                where questions.Length > 0
                select (document, cell, questions)).ToArray();
            if (missing.Length == 0)
                continue;
            var progress = new ProgressLine(set.Name, missing.Sum(m => m.questions.Length));
            foreach ((TaskDocument document, GridCell cell, int[] questions) in missing)
            {
                void Answered(GridAnswer answer)
                {
                    file.Add(answer);
                    progress.Step(answer.Score >= 1);
                }

                await AskAsync(set, document, cell, questions, Answered, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task AskAsync(TaskSet set, TaskDocument document, GridCell cell, int[] questions, Action<GridAnswer> answered, CancellationToken cancellationToken)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = sessions, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(questions, parallel, async (number, token) =>
        {
            TaskQuestion question = document.Questions[number];
            List<ChatMessage> messages = set.System is { } system ? [new(ChatRole.System, system)] : [];
            messages.Add(new ChatMessage(ChatRole.User, $"{document.Text}\n\n{question.Text}"));
            ChatOptions options = new ChatOptions { Temperature = 0, MaxOutputTokens = set.AnswerTokens }.WithKvCompression(cell.Compression());
            long start = Stopwatch.GetTimestamp();
            ChatResponse response = await client.GetResponseAsync(messages, options, token).ConfigureAwait(false);
            KvUsage usage = response.GetKvUsage() ?? throw new InvalidOperationException("The response has no KV usage.");
            answered(new GridAnswer(set.Name, document.Id, number, cell.Key, set.Metric.Score(response.Text, question.Expected), usage.BytesAtAnswer, usage.PeakBytes,
                Stopwatch.GetElapsedTime(start).TotalSeconds, response.Text));
        }).ConfigureAwait(false);
    }
}
