using KvChat.Evaluation.Grid;
using KvChat.Quality;

namespace KvChat.Evaluation.Questions;

/// <summary>What the turns after the first say of a setting: the first question chose what is kept, and the others had to live with it.</summary>
internal static class LaterTurns
{
    /// <summary>A row for the table of measured quality; null where the full cache was right nowhere.</summary>
    /// <param name="set">Name of the questions' file, without its ending.</param>
    /// <param name="tokens">Tokens of a document, on average.</param>
    /// <param name="cell">The setting.</param>
    /// <param name="outcomes">All its answers.</param>
    /// <param name="full">The full cache's in F16 to the same questions.</param>
    public static QualityRow? Row(string set, int tokens, GridCell cell, IReadOnlyList<QuestionOutcome> outcomes, IReadOnlyList<QuestionOutcome> full)
    {
        QuestionOutcome[] later = [.. outcomes.Where(o => o.Turn > 1)], reference = [.. full.Where(o => o.Turn > 1)];
        HashSet<(int, int)> right = [.. reference.Where(o => o.Right).Select(o => (o.Session, o.Turn))];
        if (right.Count == 0)
            return null;
        double kept = (double)later.Count(o => o.Right && right.Contains((o.Session, o.Turn))) / right.Count;
        double bytes = later.Average(o => (double)o.BytesAtAnswer) / reference.Average(o => (double)o.BytesAtAnswer);
        return new QualityRow(set, tokens, cell.Policy, cell.Retained, cell.Format, cell.LowFormat, QualityQuery.Later, cell.Schedule, later.Length, kept, bytes);
    }
}
