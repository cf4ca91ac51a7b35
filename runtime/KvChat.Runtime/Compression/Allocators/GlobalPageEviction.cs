namespace KvChat.Runtime.Compression;

/// <summary>
/// The allocator of KV-Compress (arXiv 2410.00161): whole pages are freed where they cost least, over all layers and heads of a sequence.
/// </summary>
/// <remarks>
/// A head loses its KVs in ascending order of (score, index). Its first page is free when those of the partly filled last page have gone in
/// number, each further one after a page's worth more. A page costs the largest score that goes with it. Steps are taken in ascending order of
/// (cost, layer, head, number); because costs ascend within a head, the cheapest steps are found by a threshold on the cost, without sorting
/// over heads. No head goes below a page (but where <see cref="SelectionInput.MayEmpty"/> says so), below <see cref="SelectionInput.FloorKvs"/>, or below its KVs of score +infinity.
/// </remarks>
public sealed class GlobalPageEviction : IBudgetAllocator
{
    private uint[] _keys = [];
    private uint[] _sorting = [];
    private uint[] _costs = [];
    private int[] _firstStep = [];

    /// <inheritdoc/>
    public string Name => "global";

    /// <inheritdoc/>
    public void Allocate(in SelectionInput input, Span<bool> keep)
    {
        keep[..input.Scores.Length].Fill(true);
        int pages = 0;
        foreach (int length in input.Lengths)
            pages += input.PagesFor(length);
        int toFree = pages - input.AllowedPages;
        if (toFree <= 0)
            return;
        int steps = ListCosts(input, pages);
        if (steps == 0)
            return;
        (uint threshold, int ties) = ScoreOrder.Smallest(_costs.AsSpan(0, steps), Math.Min(toFree, steps));
        int offset = 0;
        for (int head = 0; head < input.Lengths.Length; head++)
        {
            int length = input.Lengths[head];
            ReadOnlySpan<uint> costs = _costs.AsSpan(_firstStep[head], _firstStep[head + 1] - _firstStep[head]);
            int taken = CountTaken(costs, threshold, ref ties);
            if (taken > 0)
            {
                int going = length - (input.PagesFor(length) - taken) * input.PageTokens;
                ScoreOrder.DropLowest(input.Scores.Slice(offset, length), costs[taken - 1], going, keep.Slice(offset, length));
            }

            offset += length;
        }
    }

    /// <summary>Pages that a head keeps in any case.</summary>
    /// <param name="length">KVs of the head.</param>
    /// <param name="floorKvs">KVs that no head goes below.</param>
    /// <param name="pageTokens">KVs of a page.</param>
    public static int FloorPages(int length, int floorKvs, int pageTokens) =>
        Math.Min((length + pageTokens - 1) / pageTokens, Math.Max(1, (int)(((long)floorKvs + pageTokens - 1) / pageTokens)));

    /// <summary>Costs of all steps that may be taken, head after head, ascending within each.</summary>
    private int ListCosts(in SelectionInput input, int pages)
    {
        uint[] costs = ScoreOrder.Room(ref _costs, pages);
        int[] firstStep = ScoreOrder.Room(ref _firstStep, input.Lengths.Length + 1);
        int steps = 0, offset = 0;
        for (int head = 0; head < input.Lengths.Length; head++)
        {
            int length = input.Lengths[head], headPages = input.PagesFor(length);
            firstStep[head] = steps;
            int most = headPages - (input.MayEmpty ? 0 : FloorPages(length, input.FloorKvs, input.PageTokens));
            if (most > 0)
            {
                Span<uint> keys = ScoreOrder.Room(ref _keys, length).AsSpan(0, length);
                ScoreOrder.Keys(input.Scores.Slice(offset, length), keys);
                ScoreOrder.Sort(keys, ScoreOrder.Room(ref _sorting, length).AsSpan(0, length));
                int last = length - (headPages - 1) * input.PageTokens - 1;
                for (int step = 0; step < most && keys[last] != ScoreOrder.Pinned; step++, last += input.PageTokens)
                    costs[steps++] = keys[last];
            }

            offset += length;
        }

        firstStep[input.Lengths.Length] = steps;
        return steps;
    }

    private static int CountTaken(ReadOnlySpan<uint> costs, uint threshold, ref int ties)
    {
        int taken = 0;
        while (taken < costs.Length && (costs[taken] < threshold || (costs[taken] == threshold && ties-- > 0)))
            taken++;
        return taken;
    }
}
