using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <content>Eviction: holes are closed in order, shared pages are copied first, empty pages go back.</content>
public sealed partial class SequenceCache
{
    /// <summary>Evicts KVs of one head; the others move down in order, and empty pages are given back.</summary>
    /// <param name="layer">Layer.</param>
    /// <param name="kvHead">KV head.</param>
    /// <param name="keep">Which KVs stay, <c>[length of the head]</c>.</param>
    /// <returns>False, with nothing changed, where shared pages must be copied and too few pages are free. Without sharing no free page is needed.</returns>
    public bool TryEvict(int layer, int kvHead, ReadOnlySpan<bool> keep)
    {
        CheckHead(layer, kvHead);
        return TryEvictHeads(layer * KvHeads + kvHead, 1, keep);
    }

    /// <summary>Evicts KVs of all heads; see <see cref="TryEvict(int, int, ReadOnlySpan{bool})"/>.</summary>
    /// <param name="keep">Which KVs stay: head after head, <c>[<see cref="KvCount"/>]</c>.</param>
    /// <returns>False, with no head changed, where shared pages must be copied and too few pages are free.</returns>
    public bool TryEvict(ReadOnlySpan<bool> keep)
    {
        ThrowIfDisposed();
        return TryEvictHeads(0, _tables.Length, keep);
    }

    /// <summary>Takes over what the arena's evictor has left of each head: gives the pages behind it back.</summary>
    internal void ShortenTo(ReadOnlySpan<int> lengths)
    {
        ThrowIfDisposed();
        for (int i = 0; i < _tables.Length; i++)
            Shorten(_tables[i], lengths[i], 0);
    }

    private bool TryEvictHeads(int firstHead, int heads, ReadOnlySpan<bool> keep)
    {
        ReadOnlySpan<HeadTable> tables = _tables.AsSpan(firstHead, heads);
        long kvs = 0;
        foreach (HeadTable table in tables)
            kvs += table.Length;
        if (keep.Length != kvs)
            throw new ArgumentException($"{keep.Length} KVs are named, but the heads have {kvs}.", nameof(keep));
        ReleaseUnused();
        if (!CopiesFit(tables, keep))
            return false;

        // Moves of many heads are made in one call, and emptied pages are given back after it. Only where a copy needs
        // one of those pages the moves are made before.
        KvMove[] moves = Pool.MoveScratch((int)kvs);
        int moveCount = 0, done = 0, offset = 0;
        for (int i = 0; i < tables.Length; i++)
        {
            int length = tables[i].Length;
            Compaction plan = PlanHead(tables[i], keep.Slice(offset, length));
            if (plan.Copies > Pool.FreePages)
            {
                Settle(tables[done..i], moves.AsSpan(0, moveCount));
                (done, moveCount) = (i, 0);
            }

            CopyTargets(tables[i], plan);
            moveCount += ListMoves(tables[i], keep.Slice(offset, length), plan, moves.AsSpan(moveCount));
            KvCount -= length - plan.Length;
            tables[i].Length = plan.Length;
            offset += length;
        }

        Settle(tables[done..], moves.AsSpan(0, moveCount));
        return true;
    }

    /// <summary>Walks the heads as the eviction will, each one's emptied pages being free for the copies of the next.</summary>
    private bool CopiesFit(ReadOnlySpan<HeadTable> tables, ReadOnlySpan<bool> keep)
    {
        int free = Pool.FreePages, offset = 0;
        foreach (HeadTable table in tables)
        {
            Compaction plan = PlanHead(table, keep.Slice(offset, table.Length));
            if (plan.Copies > free)
                return false;
            free -= plan.Copies;
            for (int page = PagesFor(plan.Length); page < table.PageCount; page++)
                free += Pool.IsShared(table[page]) ? 0 : 1;
            offset += table.Length;
        }

        return true;
    }

    private Compaction PlanHead(HeadTable table, ReadOnlySpan<bool> keep)
    {
        int kept = keep.Count(true);
        int hole = keep.IndexOf(false);
        int copies = 0;
        if (hole >= 0 && kept > hole)
        {
            for (int page = hole / PageTokens; page < PagesFor(kept); page++)
                copies += Pool.IsShared(table[page]) ? 1 : 0;
        }

        return new Compaction(kept, hole < 0 ? kept : hole, copies);
    }

    private void CopyTargets(HeadTable table, Compaction plan)
    {
        if (plan.Copies == 0)
            return;
        for (int page = plan.FirstHole / PageTokens; page < PagesFor(plan.Length); page++)
        {
            if (Pool.IsShared(table[page]))
                Unshare(table, page);
        }
    }

    /// <summary>Each kept KV behind the first hole moves to the next place. Sources ascend and lie behind their targets, so none is overwritten before it is read.</summary>
    private int ListMoves(HeadTable table, ReadOnlySpan<bool> keep, Compaction plan, Span<KvMove> moves)
    {
        int target = plan.FirstHole, count = 0;
        ReadOnlySpan<int> pages = table.Pages;
        for (int source = plan.FirstHole; target < plan.Length; source++)
        {
            if (!keep[source])
                continue;
            moves[count++] = new KvMove(pages[source / PageTokens], source % PageTokens, pages[target / PageTokens], target % PageTokens);
            target++;
        }

        return count;
    }

    private void Settle(ReadOnlySpan<HeadTable> tables, ReadOnlySpan<KvMove> moves)
    {
        if (!moves.IsEmpty)
            Pool.Arena.Move(Format, moves);
        foreach (HeadTable table in tables)
            Trim(table);
    }

    private readonly record struct Compaction(int Length, int FirstHole, int Copies);
}
