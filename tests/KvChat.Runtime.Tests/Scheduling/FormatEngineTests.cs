using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>What holds for every storage format that a request may choose.</summary>
public sealed class FormatEngineTests : IDisposable
{
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public FormatEngineTests() => _model = RandomModel.Create(_backend);

    public static TheoryData<KvFormat> Formats => [.. Enum.GetValues<KvFormat>()];

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_budget_larger_than_the_sequence_equals_compression_off(KvFormat format)
    {
        GenerationRequest off = Request(1, 200, 40, KvCompression.Off with { Format = format });
        int[] expected = Answers(4_000_000, 64, off).Single();
        foreach (CompressionSchedule schedule in Enum.GetValues<CompressionSchedule>())
        {
            KvCompression large = new() { RetainedKvs = 4096, Schedule = schedule, ChunkTokens = 64, Format = format };
            Assert.Equal(expected, Answers(4_000_000, 512, off with { Compression = large }).Single());
        }
    }

    [Fact]
    public void Requests_of_all_formats_share_a_batch_and_a_pool()
    {
        GenerationRequest[] requests = [.. Enum.GetValues<KvFormat>().SelectMany((format, i) => (GenerationRequest[])
        [
            Request(i, 60 + (i * 31), 20, KvCompression.Off with { Format = format }),
            Request(i + 20, 150, 40, new KvCompression { Format = format, RetainedRatio = 0.4, DecodeInterval = 16, ProtectedTokens = 8, ObservationWindow = 8 }),
            Request(i + 40, 210, 10, new KvCompression { Format = format, RetainedRatio = 0.4, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64, ProtectedTokens = 8, ObservationWindow = 8 }),
        ])];
        List<int[]> alone = [.. requests.Select(r => Answers(4_000_000, 512, r).Single())];
        Assert.Equal(alone, Answers(12_000_000, 64, requests));

        // Preempted ones come back from host memory in their own formats.
        Assert.Equal(alone, Answers(220_000, 64, requests));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Bytes_that_requests_report_are_those_of_the_pool(KvFormat format)
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        Session first = scheduler.Add(Request(1, 190, 20, KvCompression.Off with { Format = format }));
        Session second = scheduler.Add(Request(2, 90, 33, new KvCompression { Format = format, RetainedRatio = 0.5, ProtectedTokens = 8, ObservationWindow = 8 }));
        scheduler.RunAll();
        EngineStatistics statistics = scheduler.Statistics(false);
        long used = (long)(statistics.TotalPages - statistics.FreePages) * statistics.BytesPerPage;
        Assert.Equal(used, first.Result().Kvs.Bytes + second.Result().Kvs.Bytes);
        scheduler.Audit();
        scheduler.DropHeld();
        Assert.Equal(scheduler.Statistics(false).TotalPages, scheduler.Statistics(false).FreePages);
    }

    [Theory]
    [InlineData(KvFormat.K8V4, KvFormat.K4V2, 0.5)]
    [InlineData(KvFormat.F16, KvFormat.K4V4, 0.3)]
    [InlineData(KvFormat.K8V8, KvFormat.K8V4, 0.8)]
    public void Two_formats_in_a_sequence_depend_on_nothing_else(KvFormat high, KvFormat low, double share)
    {
        KvCompression mixed = new()
        {
            Format = high, LowFormat = low, HighShare = share, RetainedRatio = 0.4, DecodeInterval = 16, ProtectedTokens = 8, ObservationWindow = 8,
        };
        GenerationRequest[] requests =
        [
            Request(1, 300, 70, mixed),
            Request(2, 230, 40, mixed with { Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 }),
            Request(3, 100, 30, KvCompression.Off with { Format = low }),
            Request(4, 260, 50, mixed with { Schedule = CompressionSchedule.WhileReading, Query = CompressionQuery.Unknown, ChunkTokens = 64 }),
            Request(5, 230, 40, mixed with { Policy = "leankv", RetainedRatio = 1, DropThreshold = 1.5, LowThreshold = 3 }),
            Request(6, 220, 50, mixed with { Policy = "leankv", RetainedRatio = 1, LowFormat = null, DropThreshold = 2, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 }),
        ];
        List<int[]> alone = [.. requests.Select(r => Answers(4_000_000, 512, r).Single())];
        Assert.Equal(alone, Answers(4_000_000, 32, requests));
        Assert.Equal(alone, Answers(90_000, 64, requests));
    }

    [Fact]
    public void Thresholds_say_how_much_is_kept_and_the_request_reports_it()
    {
        KvCompression lean = KvCompression.LeanKv with { ProtectedTokens = 16, SinkTokens = 4 };
        KvStatistics quantised = Kvs(lean with { DropThreshold = 0, LowThreshold = 1e6 }), evicted = Kvs(lean with { DropThreshold = 1e6, LowThreshold = 1e6 });
        Assert.Equal(quantised.Seen, quantised.Kept);
        Assert.True(quantised.KeptLow > quantised.Seen * 3 / 4, $"{quantised.KeptLow} of {quantised.Seen} in the low format");
        Assert.Equal(20 * quantised.Seen / 483, evicted.KeptAtAnswer);
        Assert.True(evicted.EffectiveRatio < quantised.EffectiveRatio && quantised.EffectiveRatio < 0.8, $"{evicted.EffectiveRatio}, {quantised.EffectiveRatio}");
    }

    /// <summary>A policy that is off evicts by nobody's rule but pressure's.</summary>
    [Fact]
    public void Thresholds_of_a_policy_that_is_off_do_nothing()
    {
        KvCompression off = KvCompression.Off with { UnderPressure = true };
        int[] expected = Answers(4_000_000, 64, Request(1, 200, 40, off)).Single();
        Assert.Equal(expected, Answers(4_000_000, 64, Request(1, 200, 40, off with { DropThreshold = 1 })).Single());
    }

    [Fact]
    public void Two_formats_keep_more_kvs_in_the_same_bytes()
    {
        KvCompression single = new() { Format = KvFormat.K8V4, RetainedRatio = 0.25, ProtectedTokens = 8, ObservationWindow = 8 };
        KvStatistics one = Kvs(single), two = Kvs(single with { LowFormat = KvFormat.K4V2 });
        Assert.True(two.KeptLow > 0, "nothing is in the low format");
        Assert.True(two.KeptAtAnswer > one.KeptAtAnswer, $"{two.KeptAtAnswer} KVs in two formats, {one.KeptAtAnswer} in one");
        Assert.True(two.BytesAtAnswer <= one.BytesAtAnswer, $"{two.BytesAtAnswer} bytes in two formats, {one.BytesAtAnswer} in one");
        Assert.Equal(0, one.KeptLow);
    }

    [Fact]
    public void A_low_format_that_is_none_is_refused_by_name()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => (KvCompression.LeanKv with { LowFormat = KvFormat.F32 }).Validate());
        Assert.Contains("LowFormat", error.Message, StringComparison.Ordinal);
        Assert.Contains("F32", error.Message, StringComparison.Ordinal);
        Assert.Contains("K4V2", error.Message, StringComparison.Ordinal);
        Assert.Contains("HighShare", Assert.Throws<ArgumentException>(() => (KvCompression.LeanKv with { HighShare = 0 }).Validate()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fewer_bits_take_fewer_bytes()
    {
        long[] bytes = [.. ((KvFormat[])[KvFormat.F32, KvFormat.F16, KvFormat.K8V8, KvFormat.K8V4, KvFormat.K4V4, KvFormat.K4V2]).Select(format =>
        {
            using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
            Session session = scheduler.Add(Request(1, 400, 8, KvCompression.Off with { Format = format }));
            scheduler.RunAll();
            return session.Result().Kvs.PeakBytes;
        })];
        Assert.Equal(bytes.OrderDescending(), bytes);
        Assert.Equal(bytes.Length, bytes.Distinct().Count());
    }

    [Fact]
    public void An_unknown_format_is_refused_by_name()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => (KvCompression.Off with { Format = (KvFormat)77 }).Validate());
        Assert.Contains("Format", error.Message, StringComparison.Ordinal);
        Assert.Contains("77", error.Message, StringComparison.Ordinal);
        Assert.Contains("K8V4", error.Message, StringComparison.Ordinal);
    }

    private KvStatistics Kvs(KvCompression compression)
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        Session session = scheduler.Add(Request(1, 480, 4, compression));
        scheduler.RunAll();
        EngineStatistics statistics = scheduler.Statistics(false);
        Assert.Equal((long)(statistics.TotalPages - statistics.FreePages) * statistics.BytesPerPage, session.Result().Kvs.Bytes);
        return session.Result().Kvs;
    }

    private List<int[]> Answers(long bytes, int stepTokens, params GenerationRequest[] requests)
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = bytes, StepTokens = stepTokens, HoldFinishedSequences = false });
        Session[] sessions = [.. requests.Select(r => scheduler.Add(r))];
        scheduler.RunAll();
        scheduler.Audit();
        Assert.Equal(scheduler.Statistics(false).TotalPages, scheduler.Statistics(false).FreePages);
        return [.. sessions.Select(s => s.Answer())];
    }

    private static int[] Prompt(Random random, int length) => [.. Enumerable.Range(0, length).Select(_ => random.Next(2, 64))];

    private static GenerationRequest Request(int seed, int prompt, int output, KvCompression compression) => new()
    {
        Prompt = Prompt(new Random(seed), prompt),
        MaxOutputTokens = output,
        Compression = compression,
    };
}
