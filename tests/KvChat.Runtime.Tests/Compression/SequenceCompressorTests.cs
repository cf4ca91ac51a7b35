using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Compression;

public sealed class SequenceCompressorTests : IDisposable
{
    private const int Layers = 2, KvHeads = 2;
    private static readonly KvCompression Settings = new() { RetainedRatio = 0.25, ProtectedTokens = 8, SinkTokens = 4 };
    private readonly FakeKvArena _arena = new(new KvArenaShape(4, 16, 400));
    private readonly PagePool _pool;
    private readonly SequenceCompressor _compressor = new();

    public SequenceCompressorTests() => _pool = new PagePool(_arena);

    public void Dispose() => _arena.Dispose();

    [Fact]
    public void The_budget_in_pages_is_met_exactly_and_the_pool_gets_the_rest()
    {
        using SequenceCache cache = Filled(160, (head, i) => (head * 7919 + i * 31) % 97);
        CompressionReport report = Compress(cache, Settings);
        Assert.Equal(10, cache.PageCount);
        Assert.Equal(new CompressionReport(160, 480, 30, 0.25, false), report with { Times = default, Considered = 0 });
        Assert.Equal(10, _pool.UsedPages);
        PoolAudit.Check(_pool, [cache]);
        Assert.All(Positions(cache), head => Assert.True(head.Take(4).SequenceEqual([0, 1, 2, 3]) && head.TakeLast(8).SequenceEqual(Enumerable.Range(152, 8))));
    }

    [Fact]
    public void Important_heads_keep_more()
    {
        using SequenceCache cache = Filled(160, (head, i) => head == 2 ? 10 + i % 5 : i % 5);
        Compress(cache, Settings);
        Assert.Equal([16, 16, 112, 16], cache.KeptPerHead);
    }

    [Fact]
    public void A_ratio_below_the_floor_is_raised_and_reported()
    {
        using SequenceCache cache = Filled(160, (_, i) => i);
        CompressionReport report = Compress(cache, Settings with { RetainedRatio = 0.01 });
        Assert.Equal([16, 16, 16, 16], cache.KeptPerHead);
        Assert.True(report.RaisedToFloor);
        Assert.Equal(0.1, report.EffectiveRatio, 12);
    }

    [Fact]
    public void Pinned_stretches_stay_and_raise_the_floor()
    {
        using SequenceCache cache = Filled(160, (_, i) => -i);
        CompressionReport report = Compress(cache, Settings with { RetainedRatio = 0.01 }, [new(PromptSpanKind.System, 90, 40, KvRetention.Pinned)]);
        Assert.Equal([64, 64, 64, 64], cache.KeptPerHead);
        Assert.All(Positions(cache), head => Assert.Superset(Enumerable.Range(90, 40).ToHashSet(), head.ToHashSet()));
        Assert.Equal(0.4, report.EffectiveRatio, 12);
        Assert.True(report.RaisedToFloor);
    }

    [Theory]
    [InlineData(20, true)] // half of the 40 KVs that a head may keep
    [InlineData(21, false)]
    public void Preferred_stretches_stay_while_they_take_at_most_half_of_the_budget(int length, bool stays)
    {
        using SequenceCache cache = Filled(160, (_, i) => i is >= 90 and < 130 ? 0 : 1 + i);
        CompressionReport report = Compress(cache, Settings, [new(PromptSpanKind.System, 90, length, KvRetention.Preferred)]);
        Assert.False(report.RaisedToFloor);
        Assert.All(Positions(cache), head => Assert.Equal(stays ? length : 0, head.Count(p => p >= 90 && p < 90 + length)));
    }

    [Fact]
    public void Droppable_stretches_go_first_but_not_sinks_window_or_pinned()
    {
        using SequenceCache cache = Filled(160, (_, i) => i < 80 ? 1000 : 1);
        Compress(cache, Settings with { RetainedRatio = 0.5 },
        [
            new(PromptSpanKind.System, 10, 2, KvRetention.Pinned),
            new(PromptSpanKind.EarlierTurn, 0, 80, KvRetention.Droppable),
            new(PromptSpanKind.Question, 156, 1000, KvRetention.Droppable),
        ]);
        int[] expected = [0, 1, 2, 3, 10, 11, .. Enumerable.Range(80, 80)];
        Assert.All(Positions(cache), head => Assert.True(head.Except(expected).Count() < 16, "less than a page of what may be dropped is left"));
        Assert.All(Positions(cache), head => Assert.Superset(new HashSet<int>([0, 1, 2, 3, 10, 11, .. Enumerable.Range(152, 8)]), head.ToHashSet()));
    }

    [Fact]
    public void Sums_are_divided_by_the_queries_that_could_see_the_KV_once_decoding_has_added()
    {
        // Old KVs: 2 from each of 64 queries. KVs of the answer: 3 from each query since their own. Undivided, the answer would go.
        static float Sum(int head, int i) => i < 128 ? 128 : 3 * (160 - i);
        ScoreHistory history = ScoreHistory.OfWindow(96, 128);
        using SequenceCache raw = Filled(160, Sum), divided = Filled(160, Sum);
        Assert.True(_compressor.TryCompress(raw, Settings, [], 160, history, out _));
        Assert.True(_compressor.TryCompress(divided, Settings, [], 160, history.WithAdded(128, 160), out _));
        Assert.All(Positions(raw), head => Assert.DoesNotContain(head, p => p is >= 128 and < 152));
        Assert.Contains(Positions(divided), head => head.Contains(140));
    }

    [Fact]
    public void Scores_that_are_no_numbers_go_first_and_infinite_ones_are_not_pinned()
    {
        using SequenceCache cache = Filled(160, (_, i) => i % 2 == 0 ? float.NaN : float.PositiveInfinity);
        CompressionReport report = Compress(cache, Settings with { RetainedRatio = 0.5 });
        Assert.Equal(20, cache.PageCount);
        Assert.False(report.RaisedToFloor);
        Assert.All(Positions(cache), head => Assert.True(head.Count(p => p % 2 == 0) <= 16)); // 6 are protected, less than a page is left
        Compress(cache, Settings with { RetainedRatio = 0.01 });
        Assert.Equal(4, cache.PageCount);
    }

    [Fact]
    public void Nothing_changes_where_the_budget_covers_the_sequence()
    {
        using SequenceCache cache = Filled(100, (_, i) => i);
        Assert.Equal(new CompressionReport(400, 0, 0, 1, false), Compress(cache, KvCompression.Off));
        Assert.Equal(new CompressionReport(400, 0, 0, 1, false), Compress(cache, Settings with { RetainedKvs = 100 }));

        // While a prompt of 1,000 tokens is read, a quarter of it is allowed: more than has been read so far.
        Assert.True(_compressor.TryCompress(cache, Settings, [], 1000, ScoreHistory.OfWindow(92, 100), out CompressionReport report));
        Assert.Equal(new CompressionReport(400, 0, 0, 0.25, false), report);
        Assert.Equal(0, _arena.Moves);
    }

    [Fact]
    public void Compressing_twice_to_the_same_budget_does_nothing_the_second_time()
    {
        using SequenceCache cache = Filled(333, (head, i) => (i * 17 + head) % 41);
        Compress(cache, Settings);
        int[][] before = Positions(cache);
        Assert.Equal(0, Compress(cache, Settings).Evicted);
        Assert.Equal(before, Positions(cache));
    }

    [Fact]
    public void A_shared_sequence_that_cannot_be_copied_is_left_as_it_is()
    {
        using SequenceCache cache = Filled(1600, (_, i) => i % 13);
        using SequenceCache fork = cache.Fork();
        Assert.Equal(0, _pool.FreePages);
        Assert.False(_compressor.TryCompress(fork, Settings, [], 1600, ScoreHistory.OfWindow(1592, 1600), out CompressionReport report));
        Assert.Equal(0, report.Evicted);
        Assert.Equal(6400, fork.KvCount);
        PoolAudit.Check(_pool, [cache, fork]);
    }

    private CompressionReport Compress(SequenceCache cache, KvCompression settings, params PromptSpan[] spans)
    {
        int seen = Positions(cache).Max(head => head[^1]) + 1;
        Assert.True(_compressor.TryCompress(cache, settings, spans, seen, ScoreHistory.OfWindow(seen - 8, seen), out CompressionReport report));
        return report;
    }

    private SequenceCache Filled(int tokens, Func<int, int, float> score)
    {
        SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.F16);
        Assert.True(cache.TryReserve(tokens));
        HeadView[] views = new HeadView[KvHeads];
        int[] positions = [.. Enumerable.Range(0, tokens)];
        for (int layer = 0; layer < Layers; layer++)
        {
            cache.FillViews(layer, views);
            for (int head = 0; head < KvHeads; head++)
                _arena.Append(views[head], KvFormat.F16, positions, new long[tokens], [.. positions.Select(i => score(layer * KvHeads + head, i))]);
        }

        cache.Commit(tokens);
        return cache;
    }

    private int[][] Positions(SequenceCache cache) => [.. Enumerable.Range(0, Layers * KvHeads).Select(head =>
    {
        int[] positions = new int[cache.KeptPerHead[head]];
        _arena.ReadPositions(cache.Table(head / KvHeads, head % KvHeads).View, KvFormat.F16, positions);
        return positions;
    })];
}
