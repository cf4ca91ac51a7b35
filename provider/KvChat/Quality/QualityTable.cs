using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Quality;

/// <summary>What was measured of a model: how many of the full cache's right answers each setting keeps.</summary>
/// <param name="Model">The model's own name, as its file has it.</param>
/// <param name="Measured">When, where and by which command.</param>
/// <param name="Rows">The measurements.</param>
internal sealed record QualityTable(string Model, string Measured, IReadOnlyList<QualityRow> Rows)
{
    /// <summary>
    /// The settings of fewest bytes whose share reaches the one asked for over every set that was measured for that kind of question and schedule. The full cache always does. A prompt that is
    /// shorter than the documents measured keeps as many KVs as they did rather than the same share: fewer were never tried.
    /// </summary>
    /// <param name="wanted">Settings with a <see cref="KvCompression.MinQuality"/>; policy, ratio and formats are replaced.</param>
    /// <param name="query">Whose question chooses.</param>
    /// <param name="tokens">Tokens of the prompt.</param>
    /// <param name="supports">Formats that may be used.</param>
    public KvCompression Strongest(KvCompression wanted, QualityQuery query, int tokens, Func<KvFormat, bool> supports)
    {
        QualityRow[] rows = [.. Rows.Where(r => !r.Evicts || (r.Query == query && r.Schedule == wanted.Schedule))];
        string[] sets = [.. (rows.Any(r => r.Evicts) ? rows.Where(r => r.Evicts) : rows).Select(r => r.Set).Distinct()];
        QualityRow? best = rows.Where(r => supports(r.Format) && (r.LowFormat is not { } low || supports(low)))
            .GroupBy(r => r.Setting)
            .Where(g => g.All(r => r.OfFull >= wanted.MinQuality) && sets.All(s => g.Any(r => r.Set == s)))
            .Select(g => g.MaxBy(r => Share(r, query, tokens))!)
            .Where(r => Share(r, query, tokens) < 1 || !r.Evicts)
            .MinBy(r => (Bytes(r, query, tokens), -r.Retained));
        KvCompression plain = wanted with { MinQuality = null, RetainedKvs = null, LowFormat = null };
        if (best is null || Bytes(best, query, tokens) >= 1)
            return plain with { Policy = CompressionPolicies.Off, Format = KvFormat.F16 };
        return plain with { Policy = best.Policy, RetainedRatio = Share(best, query, tokens), Format = best.Format, LowFormat = best.LowFormat };
    }

    /// <summary>
    /// The share that a prompt of this length keeps. A conversation's stays as it is, since with a share that changes from turn to turn its KVs could not be taken over.
    /// </summary>
    private static double Share(QualityRow row, QualityQuery query, int tokens) =>
        !row.Evicts || query == QualityQuery.Later ? row.Retained : Math.Min(1, row.Retained * Math.Max(1, (double)row.Tokens / tokens));

    private static double Bytes(QualityRow row, QualityQuery query, int tokens) => row.BytesOfFull * Share(row, query, tokens) / row.Retained;
}
