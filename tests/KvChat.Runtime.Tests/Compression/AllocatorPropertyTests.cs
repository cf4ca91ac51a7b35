using FsCheck;
using FsCheck.Fluent;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Allocators against plain transcriptions of their rules: sorts, lists, doubles.</summary>
public sealed class AllocatorPropertyTests
{
    private static readonly Config Settings = Config.QuickThrowOnFailure.WithMaxTest(3000);

    private static readonly float[] Values = [0, -0f, 0.5f, 1, 1, 2, 3, 1e-30f, -1, float.MaxValue, float.NegativeInfinity, float.NaN];

    private readonly GlobalPageEviction _global = new();
    private readonly UniformAllocator _uniform = new();
    private readonly AdaKvAllocator _ada = new();

    private static Arbitrary<int> Seeds => Arb.From(Gen.Choose(0, int.MaxValue - 1));

    [Fact]
    public void Global_eviction_equals_its_rule_for_ties_ragged_heads_and_pinned_KVs() => FsCheck.Check.One(Settings, Prop.ForAll(Seeds, seed =>
    {
        Case at = new(seed);
        bool[] keep = at.Run(_global);
        Assert.Equal(PlainGlobal(at), keep);
    }));

    [Fact]
    public void Global_eviction_meets_the_budget_or_stands_on_the_floor() => FsCheck.Check.One(Settings, Prop.ForAll(Seeds, seed =>
    {
        Case at = new(seed);
        bool[] keep = at.Run(_global);
        int offset = 0, pages = 0, floor = 0, before = 0;
        foreach (int length in at.Lengths)
        {
            float[] scores = at.Scores[offset..(offset + length)];
            int kept = keep[offset..(offset + length)].Count(k => k), pinned = scores.Count(float.IsPositiveInfinity);
            pages += Pages(kept, at.PageTokens);
            before += Pages(length, at.PageTokens);
            int headFloor = Math.Min(Pages(length, at.PageTokens), Math.Max(1, Pages(Math.Max(at.FloorKvs, pinned), at.PageTokens)));
            Assert.True(Pages(kept, at.PageTokens) >= headFloor);
            Assert.True(kept == length || kept % at.PageTokens == 0, "a head that lost pages has full ones only");
            floor += headFloor;
            offset += length;
        }

        Assert.Equal(Math.Max(floor, Math.Min(before, at.AllowedPages)), pages);
        Assert.All(at.Scores.Zip(keep), pair => Assert.True(pair.Second || !float.IsPositiveInfinity(pair.First)));
    }));

    [Fact]
    public void Uniform_allocation_equals_its_rule() => FsCheck.Check.One(Settings, Prop.ForAll(Seeds, seed =>
    {
        Case at = new(seed);
        bool[] expected = new bool[at.Scores.Length];
        int offset = 0;
        foreach (int length in at.Lengths)
        {
            int pinned = at.Scores[offset..(offset + length)].Count(float.IsPositiveInfinity);
            foreach (int i in Best(at.Scores, offset, length).Take(Math.Max(pinned, Math.Max(at.FloorKvs, at.PerHead))))
                expected[i] = true;
            offset += length;
        }

        Assert.Equal(expected, at.Run(_uniform));
    }));

    [Fact]
    public void Ada_kv_equals_its_rule() => FsCheck.Check.One(Settings, Prop.ForAll(Seeds, seed =>
    {
        Case at = new(seed);
        bool[] expected = new bool[at.Scores.Length];
        int perHead = Math.Max(at.FloorKvs, at.PerHead), sure = Math.Max(at.FloorKvs, (int)(perHead * 0.2)), offset = 0;
        for (int first = 0; first < at.Lengths.Length; first += at.KvHeads)
        {
            int start = offset;
            foreach (int length in at.Lengths[first..(first + at.KvHeads)])
            {
                int pinned = at.Scores[offset..(offset + length)].Count(float.IsPositiveInfinity);
                foreach (int i in Best(at.Scores, offset, length).Take(Math.Max(sure, pinned)))
                    expected[i] = true;
                offset += length;
            }

            int rest = Math.Max(0, at.KvHeads * perHead - expected[start..offset].Count(k => k));
            foreach (int i in Best(at.Scores, start, offset - start).Where(i => !expected[i]).Take(rest).ToList())
                expected[i] = true;
        }

        Assert.Equal(expected, at.Run(_ada));
    }));

    [Fact]
    public void A_budget_of_every_page_keeps_everything()
    {
        float[] scores = [.. Enumerable.Range(0, 37).Select(i => (float)i)];
        bool[] keep = new bool[37];
        foreach (IBudgetAllocator allocator in new IBudgetAllocator[] { _global, _uniform, _ada })
        {
            allocator.Allocate(new SelectionInput { KvHeads = 1, PageTokens = 16, Lengths = [37], Scores = scores, AllowedPages = 3, FloorKvs = 0 }, keep);
            Assert.All(keep, Assert.True);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(5000)]
    public void Keys_of_short_and_long_heads_are_sorted(int length)
    {
        Random random = new(length);
        uint[] keys = [.. Enumerable.Range(0, length).Select(i => i % 3 == 0 ? (uint)random.Next(5) : (uint)random.NextInt64(1L << 32))];
        uint[] expected = [.. keys.Order()];
        ScoreOrder.Sort(keys, new uint[length]);
        Assert.Equal(expected, keys);
    }

    /// <summary>The rule in words, step by step: sort each head, list all steps, sort them, take the cheapest.</summary>
    private static bool[] PlainGlobal(Case at)
    {
        bool[] keep = [.. at.Scores.Select(_ => true)];
        List<(double Cost, int Head, int Step, int[] Going)> steps = [];
        int offset = 0, before = 0;
        for (int head = 0; head < at.Lengths.Length; head++)
        {
            int length = at.Lengths[head], pages = Pages(length, at.PageTokens), floor = Math.Max(1, Pages(at.FloorKvs, at.PageTokens));
            int[] order = [.. Enumerable.Range(offset, length).OrderBy(i => Rank(at.Scores[i])).ThenBy(i => i)];
            for (int step = 0; step < pages - floor; step++)
            {
                int gone = length - (pages - 1) * at.PageTokens + step * at.PageTokens;
                steps.Add((order[..gone].Max(i => Rank(at.Scores[i])), head, step, order[..gone]));
            }

            offset += length;
            before += pages;
        }

        foreach ((double cost, _, _, int[] going) in steps.OrderBy(s => s.Cost).ThenBy(s => s.Head).ThenBy(s => s.Step).Take(Math.Max(0, before - at.AllowedPages)))
        {
            if (double.IsPositiveInfinity(cost))
                break;
            foreach (int i in going)
                keep[i] = false;
        }

        return keep;
    }

    private static IEnumerable<int> Best(float[] scores, int offset, int length) => Enumerable.Range(offset, length).OrderByDescending(i => Rank(scores[i])).ThenBy(i => i);

    /// <summary>A double that orders as scores must: what is no number below everything, and below -infinity.</summary>
    private static double Rank(float score) => float.IsNaN(score) ? double.NegativeInfinity : float.IsNegativeInfinity(score) ? double.MinValue : score;

    private static int Pages(int kvs, int pageTokens) => (kvs + pageTokens - 1) / pageTokens;

    private sealed class Case
    {
        public Case(int seed)
        {
            Random random = new(seed);
            KvHeads = random.Next(1, 4);
            PageTokens = random.Next(3) switch { 0 => 2, 1 => 4, _ => 16 };
            Lengths = [.. Enumerable.Range(0, KvHeads * random.Next(1, 4)).Select(_ => random.Next(8) == 0 ? 0 : random.Next(70))];
            FloorKvs = random.Next(3) == 0 ? random.Next(20) : 0;
            int kinds = random.Next(1, Values.Length + 1);
            bool ties = random.Next(4) != 0;
            double pinned = random.Next(2) * random.NextDouble() * random.NextDouble();
            Scores = [.. Enumerable.Range(0, Lengths.Sum()).Select(_ => random.NextDouble() < pinned ? float.PositiveInfinity
                : ties ? Values[random.Next(kinds)] : random.NextSingle())];
            AllowedPages = random.Next(Lengths.Sum(length => Pages(length, PageTokens)) + 3);
        }

        public int KvHeads { get; }

        public int PageTokens { get; }

        public int[] Lengths { get; }

        public float[] Scores { get; }

        public int AllowedPages { get; }

        public int FloorKvs { get; }

        public int PerHead => AllowedPages / Lengths.Length * PageTokens;

        public bool[] Run(IBudgetAllocator allocator)
        {
            bool[] keep = new bool[Scores.Length];
            allocator.Allocate(new SelectionInput { KvHeads = KvHeads, PageTokens = PageTokens, Lengths = Lengths, Scores = Scores, AllowedPages = AllowedPages, FloorKvs = FloorKvs }, keep);
            return keep;
        }
    }
}
