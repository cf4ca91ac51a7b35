using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>Proves, for tests and debugging, that a pool and all who hold its pages agree.</summary>
public static class PoolAudit
{
    /// <summary>
    /// Checks that every page is either free or held by exactly as many tables as the pool counts, that lengths fit pages, and that positions
    /// ascend within each end of a head's table.
    /// </summary>
    /// <param name="pool">The pool.</param>
    /// <param name="sequences">Every sequence that is not disposed.</param>
    /// <param name="otherPages">A page id for every other holder that the caller knows.</param>
    /// <exception cref="InvalidOperationException">Something does not agree; the message says what.</exception>
    public static void Check(PagePool pool, IEnumerable<SequenceCache> sequences, IEnumerable<int>? otherPages = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(sequences);
        int[] holders = new int[pool.PageCount];
        foreach (int page in otherPages ?? [])
            Count(holders, page, "another holder");
        int number = 0;
        foreach (SequenceCache sequence in sequences)
        {
            Require(sequence.Pool == pool, $"Sequence {number} belongs to another pool.");
            CheckSequence(sequence, $"sequence {number}", holders);
            number++;
        }

        CheckPages(pool, holders);
    }

    private static void CheckSequence(SequenceCache sequence, string name, int[] holders)
    {
        long kvs = 0;
        int pages = 0;
        for (int i = 0; i < sequence.Tables.Length; i++)
        {
            HeadTable table = sequence.Tables[i];
            string head = $"{name}, layer {i / sequence.KvHeads}, KV head {i % sequence.KvHeads}";
            foreach (int page in table.Pages)
                Count(holders, page, head);
            foreach (int page in table.LowPages)
                Count(holders, page, head);
            Require(table.LowLength >= 0 && table.LowLength <= (long)table.LowPageCount * sequence.LowPageTokens,
                $"{head} has {table.LowLength} KVs in {table.LowPageCount} pages of {sequence.LowPageTokens} at its right end.");
            Require(table.Length >= 0 && table.Length <= (long)table.PageCount * sequence.PageTokens,
                $"{head} has {table.Length} KVs in {table.PageCount} pages of {sequence.PageTokens}.");
            CheckPositions(sequence, table.View, sequence.Format, head);
            if (table.LowLength > 0)
                CheckPositions(sequence, table.View.LowEnd, sequence.LowFormat!.Value, head);
            kvs += table.Length + table.LowLength;
            pages += table.PageCount + table.LowPageCount;
        }

        Require(kvs == sequence.KvCount, $"{name} counts {sequence.KvCount} KVs, its heads have {kvs}.");
        Require(pages == sequence.PageCount, $"{name} counts {sequence.PageCount} pages, its heads have {pages}.");
    }

    private static void CheckPositions(SequenceCache sequence, HeadView end, KvFormat format, string head)
    {
        int[] positions = new int[end.Length];
        sequence.Pool.Arena.ReadPositions(end, format, positions);
        for (int i = 1; i < positions.Length; i++)
            Require(positions[i] > positions[i - 1], $"{head}: KV {i} has position {positions[i]} behind {positions[i - 1]}.");
    }

    private static void CheckPages(PagePool pool, int[] holders)
    {
        bool[] free = new bool[pool.PageCount];
        foreach (int page in pool.FreeIds)
        {
            Require((uint)page < (uint)free.Length, $"The free list names page {page} of {free.Length}.");
            Require(!free[page], $"Page {page} is on the free list twice.");
            free[page] = true;
        }

        for (int page = 0; page < free.Length; page++)
        {
            Require(holders[page] == pool.Holders(page), $"Page {page} is held by {holders[page]}, but the pool counts {pool.Holders(page)}.");
            Require(free[page] == (holders[page] == 0), free[page] ? $"Page {page} is held and on the free list." : $"Page {page} is held by nobody and not on the free list.");
        }
    }

    private static void Count(int[] holders, int page, string holder)
    {
        Require((uint)page < (uint)holders.Length, $"{holder} names page {page} of {holders.Length}.");
        holders[page]++;
    }

    private static void Require(bool holds, string wrong)
    {
        if (!holds)
            throw new InvalidOperationException(wrong);
    }
}
