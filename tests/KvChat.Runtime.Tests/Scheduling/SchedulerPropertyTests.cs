using FsCheck;
using FsCheck.Fluent;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>Random arrivals, lengths, budgets, cancellations and failures: every page is accounted for after every step, and all come back.</summary>
public sealed class SchedulerPropertyTests : IDisposable
{
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public SchedulerPropertyTests() => _model = RandomModel.Create(_backend, context: 256);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Whatever_arrives_pages_are_accounted_for_and_every_request_ends()
    {
        Gen<Scenario> scenarios = from seed in Gen.Choose(0, int.MaxValue - 1)
                                  from pages in Gen.Choose(40, 400)
                                  from step in Gen.Choose(16, 128)
                                  from sequences in Gen.Choose(1, 12)
                                  from hold in ArbMap.Default.GeneratorFor<bool>()
                                  select new Scenario(seed, pages, step, sequences, hold);
        Prop.ForAll(scenarios.ToArbitrary(), Holds).Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    private void Holds(Scenario scenario)
    {
        var random = new Random(scenario.Seed);
        var options = new EngineOptions
        {
            CacheBytes = scenario.Pages * 16L * ((16 * 4) + 8),
            StepTokens = scenario.StepTokens,
            MaxSequences = scenario.MaxSequences,
            HoldFinishedSequences = scenario.Hold,
        };
        using var scheduler = new Scheduler(_model, options);
        var sessions = new List<Session>();
        for (int arrivals = 25, steps = 0; arrivals > 0 || scheduler.HasWork; steps++)
        {
            Assert.True(steps < 20_000, "the scheduler makes no progress");
            while (arrivals > 0 && random.Next(3) == 0)
            {
                arrivals--;
                if (TryAdd(scheduler, random) is { } session)
                    sessions.Add(session);
            }

            if (sessions.Count > 0 && random.Next(10) == 0)
                sessions[random.Next(sessions.Count)].Handle.Cancel();
            scheduler.Step();
            scheduler.Audit();
        }

        scheduler.DropHeld();
        EngineStatistics statistics = scheduler.Statistics(faulted: false);
        Assert.Equal(statistics.TotalPages, statistics.FreePages);
        Assert.All(sessions, s => Assert.True(s.Handle.Completion.IsCompleted));
    }

    private static Session? TryAdd(Scheduler scheduler, Random random)
    {
        // Few distinct beginnings, so that held sequences are met, and now and then a token whose numbers are broken.
        int length = random.Next(1, 200), family = random.Next(3);
        int[] prompt = [.. Enumerable.Range(0, length).Select(i => 2 + ((i * (family + 3)) % 50))];
        if (random.Next(8) == 0)
            prompt[random.Next(length)] = RandomModel.BrokenToken;
        var request = new GenerationRequest
        {
            Prompt = prompt,
            MaxOutputTokens = random.Next(3) == 0 ? null : random.Next(1, 256 - length),
            StopTokens = [random.Next(64)],
            Compression = Compression(random),
            Sampling = new SamplingOptions { Temperature = random.Next(2), Seed = random.Next() },
            Spans = length < 20 ? [] : [new PromptSpan(PromptSpanKind.System, 0, 4, KvRetention.Pinned), new PromptSpan(PromptSpanKind.Question, length - 10, 8, KvRetention.Pinned)],
        };
        try
        {
            return scheduler.Add(request);
        }
        catch (KvCapacityException)
        {
            return null;
        }
    }

    private static KvCompression Compression(Random random) => random.Next(4) == 0 ? KvCompression.Off : new KvCompression
    {
        RetainedRatio = random.Next(2) == 0 ? 0.5 : 0.1,
        RetainedKvs = random.Next(3) == 0 ? 40 : null,
        Schedule = (CompressionSchedule)random.Next(2),
        Query = (CompressionQuery)random.Next(2),
        Format = (KvFormat)random.Next(2),
        ObservationWindow = random.Next(1, 20),
        ProtectedTokens = random.Next(1, 20),
        ChunkTokens = 64,
        DecodeInterval = random.Next(3) * 8,
        UnderPressure = random.Next(3) == 0,
    };

    private sealed record Scenario(int Seed, int Pages, int StepTokens, int MaxSequences, bool Hold);
}
