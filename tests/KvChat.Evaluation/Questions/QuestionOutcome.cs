using KvChat.Evaluation.Grid;

namespace KvChat.Evaluation.Questions;

/// <summary>One question as it was answered.</summary>
/// <param name="Session">Number of its session.</param>
/// <param name="Turn">Its place in the session, from 1.</param>
/// <param name="Right">Whether the answer was right.</param>
/// <param name="PeakBytes">Most bytes of pages while it was served.</param>
/// <param name="BytesAtAnswer">Bytes of pages when answering started.</param>
/// <param name="Seconds">From asking to the end of the answer.</param>
/// <param name="Answer">What the model said.</param>
public sealed record QuestionOutcome(int Session, int Turn, bool Right, long PeakBytes, long BytesAtAnswer, double Seconds, string Answer);

/// <summary>A row of the report: one setting and one turn.</summary>
public sealed record QuestionRow(
    string Policy,
    string Allocator,
    double Retained,
    string Format,
    string? LowFormat,
    string Query,
    string Schedule,
    int Turn,
    int Asked,
    int Right,
    double? RightOfFullCache,
    long KvBytesPeak,
    double KvBytesKept,
    double Seconds)
{
    /// <summary>Sums up the outcomes of one setting, a row for every turn.</summary>
    /// <param name="cell">The setting.</param>
    /// <param name="outcomes">All its answers.</param>
    /// <param name="full">The answers of the full cache in F16 to the same questions.</param>
    /// <param name="seconds">Seconds that the whole setting took; each turn gets its part by the time of its answers.</param>
    public static IEnumerable<QuestionRow> Of(GridCell cell, IReadOnlyList<QuestionOutcome> outcomes, IReadOnlyList<QuestionOutcome> full, double seconds)
    {
        ArgumentNullException.ThrowIfNull(cell);
        HashSet<(int, int)> rightInFull = [.. full.Where(o => o.Right).Select(o => (o.Session, o.Turn))];
        double busy = outcomes.Sum(o => o.Seconds);
        foreach (IGrouping<int, QuestionOutcome> turn in outcomes.GroupBy(o => o.Turn).OrderBy(g => g.Key))
        {
            int known = turn.Count(o => rightInFull.Contains((o.Session, o.Turn)));
            int kept = turn.Count(o => o.Right && rightInFull.Contains((o.Session, o.Turn)));
            yield return new QuestionRow(
                cell.Policy,
                cell.AllocatorName,
                cell.Retained,
                cell.Format.ToString(),
                cell.LowFormat?.ToString(),
                cell.QueryName,
                cell.ScheduleName,
                turn.Key,
                turn.Count(),
                turn.Count(o => o.Right),
                known == 0 ? null : (double)kept / known,
                turn.Max(o => o.PeakBytes),
                turn.Average(o => (double)o.BytesAtAnswer),
                busy == 0 ? 0 : seconds * turn.Sum(o => o.Seconds) / busy);
        }
    }
}
