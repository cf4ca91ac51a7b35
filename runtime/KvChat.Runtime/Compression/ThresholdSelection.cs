using System.Diagnostics;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Keeps KVs high, keeps them low or drops them by thresholds on their mean attention weight (LeanKV, arXiv 2412.03131, section 4): after a prompt all of them, while decoding only those that have
/// left the protected window since the last time, so that the work for a token does not grow with the sequence. What was kept stays; the paper also looks again at the weakest one it holds.
/// </summary>
internal sealed class ThresholdSelection
{
    private KvFate[] _fates = [];

    /// <summary>Chooses among all KVs, and moves them.</summary>
    /// <param name="cache">The sequence.</param>
    /// <param name="settings">Settings with thresholds.</param>
    /// <param name="scores">Marked mean weights, head after head, right ends first.</param>
    /// <param name="tokensSeen">Tokens that the thresholds are divided by.</param>
    /// <param name="selected">When all was chosen and moving began, in ticks of <see cref="Stopwatch"/>.</param>
    /// <returns>False, with nothing changed, where shared pages cannot be copied.</returns>
    public bool TryApply(SequenceCache cache, KvCompression settings, ReadOnlySpan<float> scores, int tokensSeen, out long selected)
    {
        Span<KvFate> fates = ScoreOrder.Room(ref _fates, scores.Length).AsSpan(0, scores.Length);
        (float drop, float low) = Limits(settings, tokensSeen);
        int offset = 0;
        foreach (HeadTable table in cache.Tables)
        {
            Choose(scores.Slice(offset, table.LowLength), drop, float.PositiveInfinity, fates[offset..]); // what is low cannot come back
            offset += table.LowLength;
            Choose(scores.Slice(offset, table.Length), drop, low, fates[offset..]);
            offset += table.Length;
        }

        if (cache.LowFormat is null)
        {
            selected = Stopwatch.GetTimestamp();
            return cache.TryRequantizeNewest(int.MaxValue, fates);
        }

        MixedSelection.FitPages(cache, fates);
        selected = Stopwatch.GetTimestamp();
        return cache.TryRequantize(fates);
    }

    /// <summary>The same among the newest KVs of every head alone.</summary>
    /// <param name="cache">The sequence.</param>
    /// <param name="settings">Settings with thresholds.</param>
    /// <param name="scores">Marked mean weights, head after head, oldest first.</param>
    /// <param name="newest">KVs of every head's left end that are named; of a head with fewer, all.</param>
    /// <param name="tokensSeen">Tokens that the thresholds are divided by.</param>
    /// <param name="selected">When all was chosen and moving began, in ticks of <see cref="Stopwatch"/>.</param>
    /// <returns>False, with nothing changed, where shared pages cannot be copied.</returns>
    public bool TryApplyNewest(SequenceCache cache, KvCompression settings, ReadOnlySpan<float> scores, int newest, int tokensSeen, out long selected)
    {
        Span<KvFate> fates = ScoreOrder.Room(ref _fates, scores.Length).AsSpan(0, scores.Length);
        (float drop, float low) = Limits(settings, tokensSeen);
        int offset = 0;
        foreach (HeadTable table in cache.Tables)
        {
            int named = Math.Min(newest, table.Length);
            Span<KvFate> own = fates.Slice(offset, named);
            Choose(scores.Slice(offset, named), drop, low, own);
            if (cache.PagesFor(table.Length - named + own.Count(KvFate.High), table.LowLength + own.Count(KvFate.Low)) > table.PageCount + table.LowPageCount)
                own.Replace(KvFate.Low, KvFate.High);
            offset += named;
        }

        selected = Stopwatch.GetTimestamp();
        return cache.TryRequantizeNewest(newest, fates);
    }

    // A threshold of 0 takes nothing, not even what is marked to go first.
    private static (float Drop, float Low) Limits(KvCompression settings, int tokensSeen)
    {
        return (Limit(settings.DropThreshold), Limit(settings.LowThreshold));

        float Limit(double? threshold) => threshold is > 0 and { } a ? (float)(a / Math.Max(1, tokensSeen)) : float.NaN;
    }

    private static void Choose(ReadOnlySpan<float> scores, float drop, float low, Span<KvFate> fates)
    {
        for (int i = 0; i < scores.Length; i++)
            fates[i] = scores[i] < drop ? KvFate.Drop : scores[i] < low ? KvFate.Low : KvFate.High;
    }
}
