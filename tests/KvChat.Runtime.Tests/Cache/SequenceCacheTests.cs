using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Tests.Cache;

public sealed class SequenceCacheTests
{
    [Fact]
    public void A_page_released_twice_is_refused()
    {
        using CacheModel model = new(pages: 4);
        int[] pages = new int[3];
        Assert.True(model.Pool.TryAllocate(pages));
        model.Pool.Retain(pages[0]);
        model.Pool.Release(pages[0]);
        model.Pool.Release(pages[0]);
        Assert.Throws<InvalidOperationException>(() => model.Pool.Release(pages[0]));
        Assert.Throws<InvalidOperationException>(() => model.Pool.Retain(pages[0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.Pool.Release(4));
        model.Pool.Release(pages[1]);
        model.Pool.Release(pages[2]);
    }

    [Fact]
    public void Allocation_takes_all_pages_or_none()
    {
        using CacheModel model = new(pages: 4);
        int[] pages = new int[5];
        Assert.False(model.Pool.TryAllocate(pages));
        Assert.Equal(4, model.Pool.FreePages);
        Assert.True(model.Pool.TryAllocate(pages.AsSpan(0, 4)));
        Assert.Equal([0, 1, 2, 3], pages[..4].Order());
        foreach (int page in pages[..4])
            model.Pool.Release(page);
    }

    [Fact]
    public void Eviction_needs_no_free_page_where_nothing_is_shared()
    {
        using CacheModel model = new(pages: 16);
        CacheModel.Tracked sequence = model.New(KvFormat.F16);
        Assert.True(model.Append(sequence, 16));
        Assert.Equal(0, model.Pool.FreePages);
        Assert.True(model.EvictAll(sequence, new Random(1), 0.5));
        model.Check();
        Assert.True(model.Pool.FreePages > 0);
        Assert.Equal(0, model.Arena.Copies);
    }

    [Fact]
    public void Eviction_of_shared_pages_without_a_free_page_changes_nothing()
    {
        using CacheModel model = new(pages: 16);
        CacheModel.Tracked sequence = model.New(KvFormat.F16);
        Assert.True(model.Append(sequence, 16));
        model.Fork(sequence);
        Assert.False(model.EvictAll(sequence, new Random(1), 0.5));
        model.Check();
        Assert.Equal(0, model.Arena.Moves);
        Assert.Equal(64, sequence.Cache.KvCount);
    }

    [Fact]
    public void Emptied_pages_of_one_head_serve_the_copies_of_the_next()
    {
        using CacheModel model = new(pages: 13);
        CacheModel.Tracked sequence = model.New(KvFormat.F16, layers: 1, kvHeads: 2);
        Assert.True(model.Append(sequence, 20));
        model.Fork(sequence);

        // Now head 0 owns its two pages and head 1 shares its five; one page is free, and head 1 will need two copies.
        Assert.True(sequence.Cache.TryEvict(0, 0, Keep(20, i => i != 19)));
        Assert.True(sequence.Cache.TryEvict(0, 0, Keep(19, i => i is 0 or > 11)));
        sequence.Heads[0].RemoveAll(kv => kv.Position is 19 or (> 0 and <= 11));
        Assert.Equal(1, model.Pool.FreePages);
        Assert.Equal(2, model.Arena.Copies);

        bool[] keep = [.. Keep(8, i => i < 4), .. Keep(20, i => i is not (4 or 8 or 9 or 10 or 11 or 12 or 13 or 14))];
        Assert.False(sequence.Cache.TryEvict(0, 1, keep.AsSpan(8)));
        Assert.True(sequence.Cache.TryEvict(keep));
        sequence.Heads[0].RemoveRange(4, 4);
        sequence.Heads[1].RemoveAll(kv => kv.Position is 4 or (>= 8 and <= 14));
        model.Check();
        Assert.Equal(0, model.Pool.FreePages);
    }

    [Fact]
    public void A_fork_copies_only_the_page_that_it_writes()
    {
        using CacheModel model = new(pages: 100);
        CacheModel.Tracked sequence = model.New(KvFormat.F16);
        Assert.True(model.Append(sequence, 10));
        model.Fork(sequence);
        Assert.Equal(12, model.Pool.UsedPages);
        Assert.Equal(0, sequence.Cache.ExclusivePages);
        Assert.Equal(4, sequence.Cache.PagesToAppend(1));
        Assert.True(model.Append(sequence, 1));
        Assert.Equal(4, model.Arena.Copies);
        model.Check();
    }

    [Fact]
    public void More_than_was_reserved_cannot_be_committed()
    {
        using CacheModel model = new(pages: 100);
        CacheModel.Tracked sequence = model.New(KvFormat.F16);
        Assert.True(sequence.Cache.TryReserve(3));
        Assert.Throws<InvalidOperationException>(() => sequence.Cache.Commit(4));
        model.Fork(sequence);
        Assert.Throws<InvalidOperationException>(() => sequence.Cache.Commit(1));
        Assert.Throws<InvalidOperationException>(() => sequence.Cache.DropLast(1));
    }

    [Fact]
    public void A_decode_step_allocates_nothing_on_the_managed_heap()
    {
        using CacheModel model = new(pages: 2000);
        SequenceCache cache = model.New(KvFormat.F16).Cache;
        HeadView[] views = new HeadView[2];
        Decode(cache, views, 100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Decode(cache, views, 1000);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        cache.DropLast(1100); // nothing was written, so that there is nothing to compare
    }

    [Fact]
    public void The_audit_finds_a_page_that_nobody_holds_and_one_held_once_too_often()
    {
        using CacheModel model = new(pages: 8);
        int[] pages = new int[1];
        Assert.True(model.Pool.TryAllocate(pages));
        Assert.Contains("held by 0", Assert.Throws<InvalidOperationException>(() => PoolAudit.Check(model.Pool, [])).Message, StringComparison.Ordinal);
        PoolAudit.Check(model.Pool, [], pages);
        Assert.Contains("held by 2", Assert.Throws<InvalidOperationException>(() => PoolAudit.Check(model.Pool, [], [pages[0], pages[0]])).Message, StringComparison.Ordinal);
        model.Pool.Release(pages[0]);
    }

    [Fact]
    public void The_audit_finds_positions_out_of_order()
    {
        using CacheModel model = new(pages: 8);
        CacheModel.Tracked sequence = model.New(KvFormat.F16);
        Assert.True(model.Append(sequence, 2));
        sequence.Next = 1;
        Assert.True(model.Append(sequence, 1));
        Assert.Contains("position 1 behind 1", Assert.Throws<InvalidOperationException>(model.Check).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_of_another_shape_is_refused()
    {
        using CacheModel model = new(pages: 30);
        CacheModel.Tracked one = model.New(KvFormat.F16), other = model.New(KvFormat.F32);
        Assert.True(model.Append(one, 5));
        using HostImage image = one.Cache.ToHost();
        Assert.Throws<ArgumentException>(() => other.Cache.TryFromHost(image));
        Assert.True(one.Cache.TryFromHost(image));
        Assert.Throws<InvalidOperationException>(() => one.Cache.TryFromHost(image));
        model.Check();
    }

    private static void Decode(SequenceCache cache, HeadView[] views, int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            if (!cache.TryReserve(1))
                throw new InvalidOperationException("The pool is too small for the test.");
            for (int layer = 0; layer < cache.Layers; layer++)
                cache.FillViews(layer, views);
            cache.Commit(1);
        }
    }

    private static bool[] Keep(int count, Func<int, bool> keep) => [.. Enumerable.Range(0, count).Select(keep)];
}
