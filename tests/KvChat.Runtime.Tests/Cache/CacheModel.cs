using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Cache;

/// <summary>A pool with sequences, and beside each of them the plain lists that it must equal.</summary>
internal sealed class CacheModel : IDisposable
{
    private readonly FakeKvArena _arena;
    private readonly List<Tracked> _live = [];
    private readonly List<(HostImage Image, Tracked Was)> _images = [];
    private long _number;

    public CacheModel(int pages, int pageTokens = 4)
    {
        _arena = new FakeKvArena(new KvArenaShape(4, pageTokens, pages));
        Pool = new PagePool(_arena);
        // A page that is written must be held by exactly one table: neither free nor shared.
        _arena.Writing = page => Require(Pool.Holders(page) == 1, $"page {page} is written while {Pool.Holders(page)} hold it");
    }

    public PagePool Pool { get; }

    public FakeKvArena Arena => _arena;

    public IEnumerable<SequenceCache> Sequences => _live.Select(tracked => tracked.Cache);

    public Tracked New(KvFormat format, int layers = 2, int kvHeads = 2)
    {
        Tracked tracked = new(new SequenceCache(Pool, layers, kvHeads, format), [.. Enumerable.Range(0, layers * kvHeads).Select(_ => new List<Kv>())], 0);
        _live.Add(tracked);
        return tracked;
    }

    public bool Append(Tracked to, int tokens)
    {
        int needed = to.Cache.PagesToAppend(tokens), used = Pool.UsedPages;
        bool fits = needed <= Pool.FreePages;
        Require(to.Cache.TryReserve(tokens) == fits, $"reserving {tokens} KVs takes {needed} of {Pool.FreePages} free pages");
        if (!fits)
            return false;
        // A page that was copied leaves its original with the others, so that the use of the pool grows by exactly what was foretold.
        Require(Pool.UsedPages == used + needed, $"{needed} pages were foretold, {Pool.UsedPages - used} taken");
        Require(to.Cache.PagesToAppend(tokens) == 0, "what is reserved needs no page");
        Write(to, tokens);
        to.Cache.Commit(tokens);
        return true;
    }

    public void Fork(Tracked from)
    {
        int used = Pool.UsedPages;
        _live.Add(new Tracked(from.Cache.Fork(), [.. from.Heads.Select(head => head.ToList())], from.Next));
        Require(Pool.UsedPages <= used, "a fork takes no page");
    }

    public void Truncate(Tracked at, int position)
    {
        at.Cache.Truncate(position);
        foreach (List<Kv> head in at.Heads)
            head.RemoveAll(kv => kv.Position >= position);
        at.Next = Math.Min(at.Next, position);
    }

    public void DropLast(Tracked at, int tokens)
    {
        at.Cache.DropLast(tokens);
        foreach (List<Kv> head in at.Heads)
            head.RemoveRange(head.Count - tokens, tokens);
    }

    public bool EvictHead(Tracked at, int layer, int kvHead, Random random, double share)
    {
        List<Kv> head = at.Heads[layer * at.Cache.KvHeads + kvHead];
        bool[] keep = [.. head.Select(_ => random.NextDouble() < share)];
        bool shared = at.Cache.Table(layer, kvHead).Pages.ToArray().Any(page => Pool.Holders(page) > 1);
        bool done = at.Cache.TryEvict(layer, kvHead, keep);
        Require(done || shared, "an eviction fails only where pages are shared");
        if (done)
            Filter(head, keep);
        return done;
    }

    public bool EvictAll(Tracked at, Random random, double share)
    {
        bool[][] keep = [.. at.Heads.Select(head => head.Select(_ => random.NextDouble() < share).ToArray())];
        bool shared = at.Cache.ExclusivePages < at.Cache.PageCount;
        bool done = at.Cache.TryEvict([.. keep.SelectMany(head => head)]);
        Require(done || shared, "an eviction fails only where pages are shared");
        for (int i = 0; done && i < keep.Length; i++)
            Filter(at.Heads[i], keep[i]);
        return done;
    }

    public void SwapOut(Tracked at)
    {
        int gain = at.Cache.ExclusivePages, free = Pool.FreePages;
        _images.Add((at.Cache.ToHost(), new Tracked(at.Cache, [.. at.Heads.Select(head => head.ToList())], at.Next)));
        at.Heads.ForEach(head => head.Clear());
        Require(Pool.FreePages == free + gain, $"swapping out frees {gain} pages, not {Pool.FreePages - free}");
    }

    public bool SwapIn(Tracked into)
    {
        int found = _images.FindIndex(entry => entry.Was.Cache == into.Cache);
        if (found < 0 || into.Cache.KvCount != 0)
            return false;
        (HostImage image, Tracked was) = _images[found];
        into.Cache.ReleaseUnused();
        bool fits = image.PageCount <= Pool.FreePages;
        Require(into.Cache.TryFromHost(image) == fits, $"{image.PageCount} pages come back where {Pool.FreePages} are free");
        if (!fits)
            return false;
        for (int i = 0; i < into.Heads.Count; i++)
            into.Heads[i].AddRange(was.Heads[i]);
        into.Next = was.Next;
        image.Dispose();
        _images.RemoveAt(found);
        return true;
    }

    public void Drop(Tracked tracked)
    {
        tracked.Cache.Dispose();
        _live.Remove(tracked);
    }

    public Tracked? Pick(int index) => _live.Count == 0 ? null : _live[index % _live.Count];

    public int Count => _live.Count;

    /// <summary>The audit holds and every head's contents equal its list.</summary>
    public void Check()
    {
        PoolAudit.Check(Pool, Sequences);
        foreach (Tracked tracked in _live)
        {
            for (int i = 0; i < tracked.Heads.Count; i++)
            {
                HeadTable table = tracked.Cache.Table(i / tracked.Cache.KvHeads, i % tracked.Cache.KvHeads);
                int[] positions = new int[table.Length];
                _arena.ReadPositions(table.View, tracked.Cache.Format, positions);
                Require(tracked.Cache.KeptPerHead[i] == tracked.Heads[i].Count, $"head {i} has {tracked.Cache.KeptPerHead[i]} KVs, not {tracked.Heads[i].Count}");
                Require(positions.SequenceEqual(tracked.Heads[i].Select(kv => kv.Position)), $"positions of head {i} differ");
                Require(_arena.ReadNumbers(table.View, tracked.Cache.Format).SequenceEqual(tracked.Heads[i].Select(kv => kv.Number)), $"contents of head {i} differ");
            }
        }
    }

    public void Dispose()
    {
        _live.ForEach(tracked => tracked.Cache.Dispose());
        _images.ForEach(entry => entry.Image.Dispose());
        _live.Clear();
        PoolAudit.Check(Pool, []);
        Require(Pool.FreePages == Pool.PageCount, $"{Pool.UsedPages} pages were not given back");
    }

    private static void Filter(List<Kv> head, bool[] keep)
    {
        List<Kv> kept = [.. head.Where((_, i) => keep[i])];
        head.Clear();
        head.AddRange(kept);
    }

    private static void Require(bool holds, string wrong)
    {
        if (!holds)
            throw new InvalidOperationException(wrong);
    }

    private void Write(Tracked to, int tokens)
    {
        HeadView[] views = new HeadView[to.Cache.KvHeads];
        int[] positions = [.. Enumerable.Range(to.Next, tokens)];
        for (int layer = 0; layer < to.Cache.Layers; layer++)
        {
            to.Cache.FillViews(layer, views);
            for (int head = 0; head < views.Length; head++)
            {
                long[] numbers = [.. positions.Select(_ => ++_number)];
                _arena.Append(views[head], to.Cache.Format, positions, numbers, []);
                to.Heads[layer * views.Length + head].AddRange(positions.Zip(numbers, (position, number) => new Kv(position, number)));
            }
        }

        to.Next += tokens;
    }

    internal readonly record struct Kv(int Position, long Number);

    internal sealed class Tracked(SequenceCache cache, List<List<Kv>> heads, int next)
    {
        public SequenceCache Cache { get; } = cache;

        public List<List<Kv>> Heads { get; } = heads;

        /// <summary>Position of the next token.</summary>
        public int Next { get; set; } = next;
    }
}
