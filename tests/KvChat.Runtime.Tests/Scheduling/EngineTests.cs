using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>What the engine promises to a single request, whatever else runs.</summary>
public sealed class EngineTests : IDisposable
{
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public EngineTests() => _model = RandomModel.Create(_backend);

    public static TheoryData<string> Policies => ["off", "after", "while", "unknown", "kvs"];

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_sequence_alone_equals_the_same_among_others_preempted_or_not(string policy)
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 16).Select(i => Request(i, 20 + (i * 13 % 150), 30, Policy(i % 3 == 0 ? policy : "off")))];
        requests[5] = requests[5] with { Compression = Policy(policy), Sampling = new SamplingOptions { Temperature = 1, Seed = 9 } };
        List<int[]> alone = [.. requests.Select(r => Run(new EngineOptions { CacheBytes = 4_000_000 }, r).Single())];
        foreach (int step in (int[])[16, 64, 512])
        {
            List<int[]> together = Run(new EngineOptions { CacheBytes = 8_000_000, StepTokens = step }, requests);
            Assert.Equal(alone, together);
        }

        List<int[]> squeezed = Run(new EngineOptions { CacheBytes = 220_000, StepTokens = 64 }, out EngineStatistics statistics, requests);
        Assert.Equal(alone, squeezed);
        Assert.True(statistics.Preemptions > 0, "the pool was meant to be too small");
    }

    [Fact]
    public void Requests_of_all_policies_in_one_batch_equal_each_alone()
    {
        GenerationRequest[] requests = [.. CompressionPolicies.Names.SelectMany((name, i) => Enum.GetValues<CompressionSchedule>().Select(schedule => Request(i, 150 + (11 * i), 24, new KvCompression
        {
            Policy = name, RetainedRatio = 0.4, DecodeInterval = 8, ProtectedTokens = 8, ObservationWindow = 8, Schedule = schedule, ChunkTokens = 64,
        }) with { Spans = [new PromptSpan(PromptSpanKind.Question, 140 + (11 * i), 10, KvRetention.Compressible)] }))];
        List<int[]> alone = [.. requests.Select(r => Run(new EngineOptions { CacheBytes = 4_000_000 }, r).Single())];
        foreach (int step in (int[])[32, 512])
            Assert.Equal(alone, Run(new EngineOptions { CacheBytes = 16_000_000, StepTokens = step }, requests));
        Assert.Equal(alone, Run(new EngineOptions { CacheBytes = 500_000, StepTokens = 64 }, requests));
    }

    // Where pressure may come at any time, every row is observed.
    [Fact]
    public void Tova_answers_the_same_whether_every_row_is_observed_or_those_before_stops()
    {
        for (int seed = 0; seed < 4; seed++)
        {
            GenerationRequest few = Request(seed, 200, 60, new KvCompression { Policy = "tova", RetainedRatio = 0.2, DecodeInterval = 8, ProtectedTokens = 4, SinkTokens = 0 });
            GenerationRequest all = few with { Compression = few.Compression with { UnderPressure = true } };
            Assert.Equal(Run(new EngineOptions { CacheBytes = 4_000_000 }, all).Single(), Run(new EngineOptions { CacheBytes = 4_000_000 }, few).Single());
        }
    }

    [Fact]
    public void A_repeat_pass_leaves_nothing_but_scores()
    {
        GenerationRequest full = Request(4, 300, 20, KvCompression.Off);
        GenerationRequest zip = full with { Compression = new KvCompression { Policy = "kvzip", RetainedKvs = 4096 } };
        Assert.Equal(Run(new EngineOptions { CacheBytes = 4_000_000 }, full).Single(), Run(new EngineOptions { CacheBytes = 4_000_000 }, zip).Single());
    }

    [Fact]
    public void A_cancelled_repeat_pass_gives_its_pages_back()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000, HoldFinishedSequences = false, StepTokens = 512 });
        Session session = scheduler.Add(Request(4, 400, 20, new KvCompression { Policy = "kvzip", RetainedRatio = 0.25 }));
        scheduler.Step();
        Assert.NotNull(session.Repeat);
        session.Handle.Cancel();
        scheduler.Step();
        scheduler.Audit();
        Assert.Equal(scheduler.TotalPages, scheduler.Statistics(faulted: false).FreePages);
    }

    [Fact]
    public void Threads_do_not_change_a_token()
    {
        GenerationRequest request = Request(3, 300, 40, Policy("while"));
        int[] one = Run(new EngineOptions { CacheBytes = 4_000_000 }, request).Single();
        using CpuBackend backend = RandomModel.Backend(threads: 2);
        using TransformerModel model = RandomModel.Create(backend);
        Assert.Equal(one, Drive(model, new EngineOptions { CacheBytes = 4_000_000 }, out _, request).Single());
    }

    [Fact]
    public void A_budget_larger_than_the_sequence_equals_compression_off()
    {
        GenerationRequest off = Request(1, 200, 60, KvCompression.Off);
        int[] expected = Run(new EngineOptions { CacheBytes = 4_000_000 }, off).Single();
        foreach (CompressionSchedule schedule in Enum.GetValues<CompressionSchedule>())
        {
            KvCompression large = new() { RetainedKvs = 4096, Schedule = schedule, ChunkTokens = 64 };
            Assert.Equal(expected, Run(new EngineOptions { CacheBytes = 4_000_000 }, off with { Compression = large }).Single());
        }
    }

    [Fact]
    public void A_prompt_four_times_the_pool_is_read_while_it_is_compressed()
    {
        var options = new EngineOptions { CacheBytes = 50_000, StepTokens = 64, ContextTokens = 1024 };
        GenerationRequest request = Request(2, 700, 16, new KvCompression { RetainedKvs = 64, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64, ObservationWindow = 16 });
        Assert.Equal(16, Run(options, request).Single().Length);
        KvCapacityException error = Assert.Throws<KvCapacityException>(() => Run(options, request with { Compression = KvCompression.Off }));
        Assert.True(error.Needed > error.Available);
    }

    [Fact]
    public void A_broken_request_hurts_nobody_else()
    {
        GenerationRequest good = Request(1, 100, 40, Policy("after"));
        int[] expected = Run(new EngineOptions { CacheBytes = 1_000_000 }, good).Single();
        int[] prompt = good.Prompt.ToArray();
        prompt[^1] = RandomModel.BrokenToken;
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 1_000_000, HoldFinishedSequences = false });
        for (int round = 0; round < 3; round++)
        {
            Session broken = scheduler.Add(good with { Prompt = prompt }), healthy = scheduler.Add(good);
            scheduler.RunAll();
            Assert.IsType<GenerationFailedException>(broken.Handle.Completion.Exception!.InnerException);
            Assert.Equal(expected, healthy.Answer());
        }
    }

    [Fact]
    public void A_following_turn_reads_only_what_is_new()
    {
        foreach (string policy in (string[])["off", "after", "while"])
        {
            using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
            GenerationRequest turn = Request(4, 250, 10, Policy(policy));
            for (int i = 0; i < 5; i++)
            {
                Session session = scheduler.Add(turn);
                scheduler.RunAll();
                GenerationResult result = session.Result();
                Assert.Equal(i == 0 ? 0 : session.PromptLength - 21, result.CachedTokens);
                int[] next = [.. turn.Prompt.Span, .. session.Answer(), .. Request(10 + i, 20 + 1, 1, KvCompression.Off).Prompt.Span];

                // The last drawn token was never read, so it counts as new with the 20 that follow.
                turn = turn with { Prompt = next.AsMemory(0, next.Length - 1) };
            }

            scheduler.Audit();
        }
    }

    [Fact]
    public void A_turn_from_held_pages_equals_one_read_from_the_start()
    {
        GenerationRequest first = Request(4, 250, 10, KvCompression.Off);
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        Session session = scheduler.Add(first);
        scheduler.RunAll();
        GenerationRequest second = first with { Prompt = (int[])[.. first.Prompt.Span, .. session.Answer(), 7, 8, 9], MaxOutputTokens = 30 };
        Session held = scheduler.Add(second);
        scheduler.RunAll();
        Assert.True(held.Cached > 250);
        Assert.Equal(Run(new EngineOptions { CacheBytes = 4_000_000 }, second).Single(), held.Answer());
    }

    [Fact]
    public void Several_questions_share_the_pages_of_one_text()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        GenerationRequest text = Request(4, 300, 5, KvCompression.Off);
        scheduler.Add(text);
        scheduler.RunAll();
        GenerationRequest[] asks = [.. Enumerable.Range(0, 4).Select(i => text with { Prompt = (int[])[.. text.Prompt.Span[..280], 10 + i, 20 + i], MaxOutputTokens = 20, Compression = Policy(i % 2 == 0 ? "off" : "after") })];
        Session[] sessions = [.. asks.Select(scheduler.Add)];
        scheduler.RunAll();
        scheduler.Audit();
        for (int i = 0; i < asks.Length; i++)
        {
            Assert.True(sessions[i].Cached >= 240);
            Assert.Equal(Run(new EngineOptions { CacheBytes = 4_000_000 }, asks[i]).Single(), sessions[i].Answer());
        }
    }

    [Fact]
    public void Pressure_compresses_only_who_allows_it_and_reports_it()
    {
        KvCompression allowing = KvCompression.Off with { UnderPressure = true };
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => Request(i, 150, 60, i < 3 ? allowing : KvCompression.Off))];
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 250_000, HoldFinishedSequences = false });
        Session[] sessions = [.. requests.Select(scheduler.Add)];
        scheduler.RunAll();
        Assert.True(sessions.Take(3).Sum(s => s.Result().Kvs.PressureCompressions) > 0);
        Assert.All(sessions.Skip(3), s => Assert.Equal(0, s.Result().Kvs.Evicted));
        scheduler.Audit();
    }

    [Fact]
    public void Decode_steps_allocate_nothing_managed()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 4_000_000 });
        foreach (int i in Enumerable.Range(0, 4))
            scheduler.Add(Request(i, 40, 300, i % 2 == 0 ? KvCompression.Off : new KvCompression { RetainedRatio = 0.5, DecodeInterval = 32 }));
        for (int i = 0; i < 120; i++)
            scheduler.Step();

        // Which thread of the team first takes a long piece of work, and makes room for it, is left to chance; what a step itself allocated would show in every stretch.
        long least = long.MaxValue;
        for (int stretch = 0; stretch < 5; stretch++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 33; i++) // at least one compression
                scheduler.Step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
        scheduler.FailAll(new OperationCanceledException());
    }

    [Fact]
    public void Time_is_told_by_part_and_requests_add_up_to_the_engine()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 8_000_000, HoldFinishedSequences = false });
        KvCompression plain = new() { RetainedRatio = 0.3, DecodeInterval = 8, ProtectedTokens = 8, ObservationWindow = 8 };
        KvCompression[] settings = [KvCompression.Off, plain, plain with { Policy = "kvzip" }, plain with { Policy = "keydiff", DecodeInterval = 0 }, plain with { Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 },
            plain with { Format = KvFormat.K8V4, LowFormat = KvFormat.K4V2 }];
        Session[] sessions = [.. settings.Select((s, i) => scheduler.Add(Request(i, 200, 20, s)))];
        scheduler.RunAll();
        CompressionTimes[] times = [.. sessions.Select(s => s.Result().Kvs.CompressionTimes)];
        Assert.Equal(default, times[0]);
        Assert.All(times[1..], t => Assert.True(t.Scoring > TimeSpan.Zero && t.Selecting > TimeSpan.Zero && t.Moving > TimeSpan.Zero, $"{t}"));
        Assert.Equal(times.Aggregate(CompressionTimes.Add), scheduler.Statistics(faulted: false).CompressionTimes);
        Assert.Equal(times[1].Scoring + times[1].Selecting + times[1].Moving, sessions[1].Result().Kvs.CompressionTime);
    }

    [Theory]
    [InlineData(230, 8, false)] // the budget holds everything
    [InlineData(229, 8, true)]
    [InlineData(229, 28, true)]
    [InlineData(229, 29, false)] // the only stop is where the answer ends
    [InlineData(229, 64, false)]
    public void An_answer_is_scored_only_where_something_may_have_to_go(int retained, int interval, bool scored)
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 8_000_000, HoldFinishedSequences = false });
        Session session = scheduler.Add(Request(3, 200, 30, new KvCompression { RetainedKvs = retained, DecodeInterval = interval }));
        do
            scheduler.Step();
        while (session.IsReadingPrompt);
        TimeSpan read = session.CompressionTimes.Scoring;
        Assert.Equal(retained < 230, read > TimeSpan.Zero);
        scheduler.RunAll();
        Assert.Equal(scored, session.Result().Kvs.CompressionTimes.Scoring > read);
    }

    private static KvCompression Policy(string name) => name switch
    {
        "off" => KvCompression.Off,
        "after" => new KvCompression { RetainedRatio = 0.4, DecodeInterval = 16, ProtectedTokens = 16, ObservationWindow = 8 },
        "while" => new KvCompression { RetainedRatio = 0.4, DecodeInterval = 16, ProtectedTokens = 16, ObservationWindow = 8, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 },
        "unknown" => new KvCompression { RetainedRatio = 0.4, ProtectedTokens = 16, ObservationWindow = 8, Schedule = CompressionSchedule.WhileReading, Query = CompressionQuery.Unknown, ChunkTokens = 64 },
        _ => new KvCompression { RetainedKvs = 40, DecodeInterval = 8, ProtectedTokens = 16, ObservationWindow = 8 },
    };

    private static GenerationRequest Request(int seed, int prompt, int output, KvCompression compression)
    {
        var random = new Random(seed);
        return new GenerationRequest
        {
            Prompt = Enumerable.Range(0, prompt).Select(_ => random.Next(2, 64)).ToArray(),
            MaxOutputTokens = output,
            Compression = compression,
        };
    }

    private List<int[]> Run(EngineOptions options, params GenerationRequest[] requests) => Drive(_model, options, out _, requests);

    private List<int[]> Run(EngineOptions options, out EngineStatistics statistics, params GenerationRequest[] requests) =>
        Drive(_model, options, out statistics, requests);

    private static List<int[]> Drive(TransformerModel model, EngineOptions options, out EngineStatistics statistics, params GenerationRequest[] requests)
    {
        using var scheduler = new Scheduler(model, options with { HoldFinishedSequences = false });
        Session[] sessions = [.. requests.Select(scheduler.Add)];
        scheduler.RunAll();
        statistics = scheduler.Statistics(faulted: false);
        scheduler.Audit();
        Assert.Equal(statistics.TotalPages, statistics.FreePages);
        return [.. sessions.Select(s => s.Answer())];
    }
}
