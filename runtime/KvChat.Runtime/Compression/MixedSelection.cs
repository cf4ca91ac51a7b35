using System.Diagnostics;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Divides a budget of pages between two formats and applies it: the best KVs stay in the sequence's format, the next best go to its low format, where more of
/// them fit a page, and the rest is dropped (LeanKV, arXiv 2412.03131). Both choices are the policy's allocator's, on the same scores.
/// </summary>
internal sealed class MixedSelection
{
    private KvFate[] _fates = [];
    private float[] _scores = [];
    private bool[] _keep = [];
    private int[] _lengths = [];

    /// <summary>Chooses and requantises.</summary>
    /// <param name="cache">A sequence with a low format.</param>
    /// <param name="allocator">The policy's allocator.</param>
    /// <param name="settings">The request's settings.</param>
    /// <param name="scores">Marked scores, head after head, right ends first.</param>
    /// <param name="allowedPages">Pages that the sequence may keep.</param>
    /// <param name="selected">When all was chosen and moving began, in ticks of <see cref="Stopwatch"/>.</param>
    /// <returns>False, with nothing changed, where shared pages cannot be copied.</returns>
    public bool TryApply(SequenceCache cache, IBudgetAllocator allocator, KvCompression settings, ReadOnlySpan<float> scores, int allowedPages, out long selected)
    {
        Span<KvFate> fates = ScoreOrder.Room(ref _fates, scores.Length).AsSpan(0, scores.Length);
        ScoreOrder.Room(ref _scores, scores.Length);
        ScoreOrder.Room(ref _keep, scores.Length);
        ScoreOrder.Room(ref _lengths, cache.Tables.Length);
        fates.Clear();
        int high = ChooseHigh(cache, allocator, settings, scores, Math.Max(1, (int)(allowedPages * settings.HighShare)), fates);
        ChooseLow(cache, allocator, scores, allowedPages - high, fates);
        FitPages(cache, fates);
        selected = Stopwatch.GetTimestamp();
        return cache.TryRequantize(fates);
    }

    // What stays at the left ends; returns its pages.
    private int ChooseHigh(SequenceCache cache, IBudgetAllocator allocator, KvCompression settings, ReadOnlySpan<float> scores, int allowed, Span<KvFate> fates)
    {
        int offset = 0, count = 0;
        for (int head = 0; head < cache.Tables.Length; head++)
        {
            HeadTable table = cache.Tables[head];
            scores.Slice(offset + table.LowLength, table.Length).CopyTo(_scores.AsSpan(count));
            _lengths[head] = table.Length;
            count += table.Length;
            offset += table.LowLength + table.Length;
        }

        Span<bool> keep = Choose(cache, allocator, count, cache.PageTokens, allowed, settings.SinkTokens + settings.ProtectedTokens, mayEmpty: false);
        int pages = 0;
        (offset, count) = (0, 0);
        foreach (HeadTable table in cache.Tables)
        {
            int kept = 0;
            offset += table.LowLength;
            for (int i = 0; i < table.Length; i++, offset++)
            {
                if (!keep[count++])
                    continue;
                fates[offset] = KvFate.High;
                kept++;
            }

            pages += cache.PagesFor(kept, 0);
        }

        return pages;
    }

    // Of the rest, what goes to the right ends or stays there.
    private void ChooseLow(SequenceCache cache, IBudgetAllocator allocator, ReadOnlySpan<float> scores, int allowed, Span<KvFate> fates)
    {
        int offset = 0, count = 0;
        for (int head = 0; head < cache.Tables.Length; head++)
        {
            int first = count;
            for (int end = offset + cache.Tables[head].LowLength + cache.Tables[head].Length; offset < end; offset++)
            {
                if (fates[offset] != KvFate.High)
                    _scores[count++] = scores[offset];
            }

            _lengths[head] = count - first;
        }

        Span<bool> keep = Choose(cache, allocator, count, cache.LowPageTokens, Math.Max(0, allowed), 0, mayEmpty: true);
        for (int i = 0, next = 0; i < fates.Length; i++)
        {
            if (fates[i] != KvFate.High && keep[next++])
                fates[i] = KvFate.Low;
        }
    }

    private Span<bool> Choose(SequenceCache cache, IBudgetAllocator allocator, int count, int pageTokens, int allowed, int floor, bool mayEmpty)
    {
        Span<bool> keep = _keep.AsSpan(0, count);
        allocator.Allocate(
            new SelectionInput
            {
                KvHeads = cache.KvHeads,
                PageTokens = pageTokens,
                Lengths = _lengths.AsSpan(0, cache.Tables.Length),
                Scores = _scores.AsSpan(0, count),
                AllowedPages = allowed,
                FloorKvs = floor,
                MayEmpty = mayEmpty,
            },
            keep);
        return keep;
    }

    /// <summary>Two ends have two partly filled pages: a head that would need more pages than it has keeps at the left what it was to send to the right.</summary>
    public static void FitPages(SequenceCache cache, Span<KvFate> fates)
    {
        int offset = 0;
        foreach (HeadTable table in cache.Tables)
        {
            Span<KvFate> own = fates.Slice(offset, table.LowLength + table.Length);
            if (cache.PagesFor(own.Count(KvFate.High), own.Count(KvFate.Low)) > table.PageCount + table.LowPageCount)
                own[table.LowLength..].Replace(KvFate.Low, KvFate.High);
            offset += own.Length;
        }
    }
}
