using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>LeanKV's thresholds: a KV is kept high, kept low or dropped by its mean attention weight over 1 / tokens.</summary>
public sealed class ThresholdTests : IDisposable
{
    private const int Layers = 2, KvHeads = 2, Heads = Layers * KvHeads, Window = 64, Interval = 16, Protected = 24, Sinks = 4;
    private static readonly KvCompression Settings = KvCompression.LeanKv with { DropThreshold = 0.5, LowThreshold = 1.5, ProtectedTokens = Protected, SinkTokens = Sinks, DecodeInterval = Interval };
    private readonly FakeKvArena _arena = new(new KvArenaShape(4, 16, 2000));
    private readonly PagePool _pool;
    private readonly SequenceCompressor _compressor = new();

    public ThresholdTests() => _pool = new PagePool(_arena);

    public void Dispose() => _arena.Dispose();

    [Theory]
    [InlineData(0.5, 1.5)]
    [InlineData(0.0, 1.5)] // quantises only
    [InlineData(0.5, 0.0)] // evicts only, with a low format that is not used
    [InlineData(0.0, 0.0)]
    [InlineData(2.0, 2.0)]
    public void After_the_prompt_and_while_decoding_the_three_sets_are_those_of_the_formula(double drop, double low)
    {
        KvCompression settings = Settings with { DropThreshold = drop, LowThreshold = low };
        using SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.K8V4, KvFormat.K4V2);
        Dictionary<int, KvFate>[] expected = [.. Enumerable.Range(0, Heads).Select(_ => new Dictionary<int, KvFate>())];
        Grow(cache, 0, 300);
        ScoreHistory history = ScoreHistory.OfWindow(300 - Window, 300);
        CompressionReport report = Compress(cache, settings, 300, history);
        Assert.Equal(Heads * 300, report.Considered);
        for (int head = 0; head < Heads; head++)
        {
            for (int position = 0; position < 300; position++)
                expected[head][position] = Fate(settings, head, position, 300, history);
        }

        AssertFates(expected, cache);
        int seen = 300;
        for (int stop = 0; stop < 5; stop++)
        {
            Grow(cache, seen, Interval);
            seen += Interval;
            history = history.WithAdded(seen - Interval, seen);
            report = Compress(cache, settings, seen, history);
            Assert.InRange(report.Considered, 1, Heads * (Protected + Interval));
            for (int head = 0; head < Heads; head++)
            {
                for (int position = seen - Protected - Interval; position < seen; position++)
                    expected[head][position] = Fate(settings, head, position, seen, history);
            }

            AssertFates(expected, cache);
        }

        Assert.Equal(drop == 0, cache.KvCount == Heads * (long)seen);
        Assert.Equal(low > drop, cache.LowKvCount > 0);
        PoolAudit.Check(_pool, [cache]);
    }

    [Fact]
    public void Without_a_low_format_thresholds_only_evict()
    {
        KvCompression settings = Settings with { LowFormat = null, LowThreshold = null };
        using SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.K8V4);
        Grow(cache, 0, 300);
        ScoreHistory history = ScoreHistory.OfWindow(300 - Window, 300);
        CompressionReport report = Compress(cache, settings, 300, history);
        Assert.True(report.Evicted > 0 && report.PagesFreed > 0);
        Assert.All(Enumerable.Range(0, Heads), head => Assert.Equal(
            Enumerable.Range(0, 300).Where(position => Fate(settings, head, position, 300, history) == KvFate.High), Positions(cache, head)));
    }

    /// <summary>What is looked at while decoding is the same for a long sequence and a short one.</summary>
    [Fact]
    public void The_work_for_a_token_does_not_grow_with_the_sequence()
    {
        long[] considered = [.. ((int[])[200, 2000]).Select(tokens =>
        {
            using SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.K8V4, KvFormat.K4V2);
            Grow(cache, 0, tokens);
            ScoreHistory history = ScoreHistory.OfWindow(tokens - Window, tokens);
            Compress(cache, Settings with { DropThreshold = 0, LowThreshold = 0.01 }, tokens, history);
            Grow(cache, tokens, Interval);
            long before = _arena.Moves;
            long looked = Compress(cache, Settings with { DropThreshold = 0, LowThreshold = 0.01 }, tokens + Interval, history.WithAdded(tokens, tokens + Interval)).Considered;
            Assert.InRange(_arena.Moves - before, 0, Heads * (Protected + Interval));
            return looked;
        })];
        Assert.Equal([Heads * (Protected + Interval), Heads * (Protected + Interval)], considered);
    }

    /// <summary>Pressure takes KVs in its own way, also from among the newest: then all are looked at again, and both ends stay in order.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_pressure_took_between_two_stops_does_not_lead_astray(bool hasLow)
    {
        KvCompression settings = hasLow ? Settings : Settings with { LowFormat = null, LowThreshold = null };
        using SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.K8V4, hasLow ? KvFormat.K4V2 : null);
        Grow(cache, 0, 300);
        ScoreHistory history = ScoreHistory.OfWindow(300 - Window, 300);
        Compress(cache, settings with { DropThreshold = 0.01, LowThreshold = hasLow ? 0.01 : null }, 300, history);
        Grow(cache, 300, Interval / 2);
        history = history.WithAdded(300, 300 + (Interval / 2));
        KvCompression pressure = settings with { DropThreshold = null, LowThreshold = null, RetainedRatio = 0.3, ProtectedTokens = 4 };
        Assert.True(Compress(cache, pressure, 300 + (Interval / 2), history).Evicted > 0);
        Grow(cache, 300 + (Interval / 2), Interval / 2);
        history = history.WithAdded(300 + (Interval / 2), 300 + Interval);
        int[][] before = [.. Enumerable.Range(0, Heads).Select(head => Positions(cache, head))];
        int[] lows = [.. cache.Tables.ToArray().Select(table => table.LowLength)];
        CompressionReport report = Compress(cache, settings, 300 + Interval, history);
        Assert.Equal(before.Sum(head => head.Length), report.Considered);
        for (int head = 0; head < Heads; head++)
        {
            int low = cache.Tables[head].LowLength;
            int[] after = Positions(cache, head);
            Assert.Equal(after[..low].Order(), after[..low]);
            Assert.Equal(after[low..].Order(), after[low..]);
            KvFate Expected(int i) => Fate(settings, head, before[head][i], 300 + Interval, history) is KvFate.High && i < lows[head] ? KvFate.Low : Fate(settings, head, before[head][i], 300 + Interval, history);
            Assert.Equal(Enumerable.Range(0, before[head].Length).Where(i => Expected(i) != KvFate.Drop).Select(i => before[head][i]).Order(), after.Order());
        }

        PoolAudit.Check(_pool, [cache]);
    }

    [Fact]
    public void Pinned_stretches_stay_high_and_what_may_go_first_goes()
    {
        PromptSpan[] spans = [new(PromptSpanKind.System, 50, 30, KvRetention.Pinned), new(PromptSpanKind.EarlierTurn, 100, 20, KvRetention.Droppable)];
        using SequenceCache cache = new(_pool, Layers, KvHeads, KvFormat.K8V4, KvFormat.K4V2);
        Grow(cache, 0, 300);
        Assert.True(_compressor.TryCompress(cache, Settings with { DropThreshold = 1e-9, LowThreshold = 1e9 }, spans, 300, ScoreHistory.OfWindow(300 - Window, 300), out _));
        for (int head = 0; head < Heads; head++)
        {
            int[] high = Positions(cache, head)[cache.Tables[head].LowLength..];
            Assert.Superset(Enumerable.Range(50, 30).ToHashSet(), high.ToHashSet());
            Assert.Empty(Positions(cache, head).Intersect(Enumerable.Range(100, 20)));
        }
    }

    [Theory]
    [InlineData("kv-compress", 1.0, null, 0.5, 1.0, "DropThreshold")]
    [InlineData("leankv", 0.5, null, 0.5, 1.0, "DropThreshold")]
    [InlineData("leankv", 1.0, null, -0.1, 1.0, "DropThreshold")]
    [InlineData("leankv", 1.0, null, double.NaN, 1.0, "DropThreshold")]
    [InlineData("leankv", 1.0, null, 0.5, 0.4, "LowThreshold")]
    [InlineData("leankv", 1.0, 500, null, 0.4, "LowThreshold")]
    public void Thresholds_out_of_range_or_beside_an_amount_are_refused_by_name(string policy, double ratio, int? kvs, double? drop, double low, string named)
    {
        KvCompression settings = Settings with { Policy = policy, RetainedRatio = ratio, RetainedKvs = kvs, DropThreshold = drop, LowThreshold = low };
        Assert.Contains(named, Assert.Throws<ArgumentException>(settings.Validate).Message, StringComparison.Ordinal);
    }

    // The formula, plainly: s / seen-by against a / tokens.
    private static KvFate Fate(KvCompression settings, int head, int position, int tokens, ScoreHistory history)
    {
        if (position < Sinks || position >= tokens - Protected)
            return KvFate.High;
        double mean = Score(head, position) / Math.Max(1, history.QueriesThatSaw(position));
        return mean * tokens < settings.DropThreshold ? KvFate.Drop : mean * tokens < (settings.LowThreshold ?? 0) ? KvFate.Low : KvFate.High;
    }

    private static float Score(int head, int position) => (float)(new Random((head * 10007) + position).NextDouble() * 0.8);

    private static void AssertFates(Dictionary<int, KvFate>[] expected, SequenceCache cache)
    {
        for (int head = 0; head < Heads; head++)
        {
            int low = cache.Tables[head].LowLength;
            int[] positions = Positions(cache, head);
            Assert.Equal(expected[head].Where(e => e.Value == KvFate.Low).Select(e => e.Key).Order(), positions[..low]);
            Assert.Equal(expected[head].Where(e => e.Value == KvFate.High).Select(e => e.Key).Order(), positions[low..]);
        }
    }

    private static int[] Positions(SequenceCache cache, int head)
    {
        int[] positions = new int[cache.KeptPerHead[head]];
        cache.ReadPositions(head / KvHeads, head % KvHeads, positions);
        return positions;
    }

    private CompressionReport Compress(SequenceCache cache, KvCompression settings, int tokens, ScoreHistory history)
    {
        Assert.True(_compressor.TryCompress(cache, settings, [], tokens, history, out CompressionReport report));
        return report;
    }

    private void Grow(SequenceCache cache, int start, int count)
    {
        Assert.True(cache.TryReserve(count));
        for (int head = 0; head < Heads; head++)
        {
            int[] positions = [.. Enumerable.Range(start, count)];
            _arena.Append(cache.Tables[head].View, cache.Format, positions, [.. positions.Select(p => (long)p)], [.. positions.Select(p => Score(head, p))]);
        }

        cache.Commit(count);
    }
}
