using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Cache;

/// <summary>Sequences whose tables have two ends, beside plain lists that they must equal.</summary>
public sealed class MixedCacheTests
{
    private const int Heads = 4;

    [Fact]
    public void Random_lives_of_two_formats_equal_plain_lists()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            var arena = new FakeKvArena(new KvArenaShape(4, 4, 120));
            var pool = new PagePool(arena);
            arena.Writing = page => Assert.Equal(1, pool.Holders(page));
            var random = new Random(seed);
            var cache = new SequenceCache(pool, 2, 2, KvFormat.F16, KvFormat.K4V2);
            List<int>[] high = Lists(), low = Lists();
            int next = 0;
            for (int step = 0; step < 25; step++)
            {
                next = random.Next(6) switch
                {
                    0 or 1 or 2 => Append(cache, arena, high, next, random.Next(1, 12)),
                    3 => Requantize(cache, high, low, next, random),
                    4 => HostRoundTrip(cache, next),
                    _ => Truncate(cache, high, low, random.Next(Math.Max(1, next - 6), next + 1), next),
                };
                PoolAudit.Check(pool, [cache]);
                CheckContents(cache, arena, high, low);
            }

            using (SequenceCache fork = cache.Fork())
            {
                PoolAudit.Check(pool, [cache, fork]);
                CheckContents(fork, arena, high, low);
                if (fork.TryUnshare())
                    Requantize(fork, [.. high.Select(h => h.ToList())], [.. low.Select(h => h.ToList())], next, random);
                CheckContents(cache, arena, high, low);
            }

            cache.Dispose();
            Assert.Equal(pool.PageCount, pool.FreePages);
        }
    }

    [Fact]
    public void A_head_may_not_grow_and_the_right_end_does_not_come_back()
    {
        var arena = new FakeKvArena(new KvArenaShape(4, 4, 40));
        using var cache = new SequenceCache(new PagePool(arena), 2, 2, KvFormat.F16, KvFormat.K4V2);
        List<int>[] high = Lists();
        Append(cache, arena, high, 0, 4);
        KvFate[] fates = [.. Enumerable.Repeat(KvFate.High, 16)];
        fates[1] = KvFate.Low;
        Assert.Contains("would need 2 pages", Assert.Throws<InvalidOperationException>(() => cache.TryRequantize(fates)).Message, StringComparison.Ordinal);
        fates.AsSpan().Fill(KvFate.Low);
        Assert.True(cache.TryRequantize(fates));
        fates.AsSpan().Fill(KvFate.High);
        Assert.Throws<ArgumentException>(() => cache.TryRequantize(fates));
        Assert.Equal(16, cache.LowKvCount);
        Assert.Throws<ArgumentException>(() => new SequenceCache(cache.Pool, 1, 1, KvFormat.K8V4, KvFormat.F16));
    }

    private static List<int>[] Lists() => [.. Enumerable.Range(0, Heads).Select(_ => new List<int>())];

    private static int Append(SequenceCache cache, FakeKvArena arena, List<int>[] high, int next, int tokens)
    {
        if (!cache.TryReserve(tokens))
            return next;
        int[] positions = [.. Enumerable.Range(next, tokens)];
        for (int head = 0; head < Heads; head++)
        {
            arena.Append(cache.Table(head / 2, head % 2).View, KvFormat.F16, positions, [.. positions.Select(p => (long)(p * 10) + head)], []);
            high[head].AddRange(positions);
        }

        cache.Commit(tokens);
        return next + tokens;
    }

    private static int Requantize(SequenceCache cache, List<int>[] high, List<int>[] low, int next, Random random)
    {
        List<KvFate> fates = [];
        for (int head = 0; head < Heads; head++)
        {
            HeadTable table = cache.Table(head / 2, head % 2);
            KvFate[] own = [.. low[head].Select(_ => random.Next(4) == 0 ? KvFate.Drop : KvFate.Low), .. high[head].Select(_ => (KvFate)random.Next(3))];
            if (cache.PagesFor(own.Count(f => f == KvFate.High), own.Count(f => f == KvFate.Low)) > table.Pages.Length + table.LowPages.Length)
                own = [.. low[head].Select(_ => KvFate.Low), .. high[head].Select(_ => KvFate.High)];
            fates.AddRange(own);
        }

        Assert.True(cache.TryRequantize([.. fates]));
        int offset = 0;
        for (int head = 0; head < Heads; head++)
        {
            int lows = low[head].Count;
            List<(int Position, KvFate Fate)> all = [.. low[head].Concat(high[head]).Select((p, i) => (p, fates[offset + i]))];
            offset += all.Count;
            high[head] = [.. all.Skip(lows).Where(kv => kv.Fate == KvFate.High).Select(kv => kv.Position)];
            low[head] = [.. all.Where(kv => kv.Fate == KvFate.Low).Select(kv => kv.Position).Order()];
        }

        return next;
    }

    private static int HostRoundTrip(SequenceCache cache, int next)
    {
        using HostImage image = cache.ToHost();
        Assert.Equal(0, cache.KvCount);
        Assert.True(cache.TryFromHost(image));
        return next;
    }

    private static int Truncate(SequenceCache cache, List<int>[] high, List<int>[] low, int position, int next)
    {
        cache.Truncate(position);
        foreach (List<int> list in high.Concat(low))
            list.RemoveAll(p => p >= position);
        return Math.Min(next, position);
    }

    private static void CheckContents(SequenceCache cache, FakeKvArena arena, List<int>[] high, List<int>[] low)
    {
        for (int head = 0; head < Heads; head++)
        {
            HeadView view = cache.Table(head / 2, head % 2).View;
            Assert.Equal(high[head].Select(p => (long)(p * 10) + head), arena.ReadNumbers(view, KvFormat.F16));
            Assert.Equal(low[head].Select(p => (long)(p * 10) + head), arena.ReadNumbers(view.LowEnd, KvFormat.K4V2));
            int[] positions = new int[high[head].Count + low[head].Count];
            cache.ReadPositions(head / 2, head % 2, positions);
            Assert.Equal(low[head].Concat(high[head]), positions);
            Assert.Equal(positions.Length, cache.KeptPerHead[head]);
        }
    }
}
