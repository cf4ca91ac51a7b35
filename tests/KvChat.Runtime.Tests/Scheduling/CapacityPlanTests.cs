using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>What a plan says before anything is read is what the pool then holds.</summary>
public sealed class CapacityPlanTests : IDisposable
{
    private const int Tokens = 304, Answer = 12, Sessions = 6;
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public CapacityPlanTests() => _model = RandomModel.Create(_backend);

    public static TheoryData<string> Settings => ["off", "k8v4", "quarter", "while", "floor", "kvs", "streaming"];

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    /// <summary>The budget is exactly what the plan wants, so that a page too few or too many in its arithmetic shows.</summary>
    [Theory]
    [MemberData(nameof(Settings))]
    public async Task As_many_sessions_run_at_once_as_the_plan_says_and_one_more_does_not(string name)
    {
        KvCompression compression = Setting(name);
        CapacityPlan one = Plan(16_000_000, compression, Answer);
        long budget = one.PeakBytesWhileReading + ((Sessions - 1) * one.BytesPerSession);
        Assert.Equal(Sessions, Plan(budget, compression, Answer).Sessions);
        Assert.Equal(Sessions - 1, Plan(budget - 1, compression, Answer).Sessions);
        foreach (int more in (int[])[0, 1])
        {
            EngineStatistics statistics = await RunAsync(budget, compression, Sessions + more);
            Assert.Equal((Sessions, 0L, Sessions + more), (statistics.PeakRunning, statistics.Preemptions, (int)(statistics.GeneratedTokens / Answer)));
        }
    }

    [Fact]
    public void The_floor_of_sinks_and_protected_window_is_counted()
    {
        KvCompression low = new() { RetainedRatio = 0.01, SinkTokens = 4, ProtectedTokens = 32 };
        CapacityPlan plan = Plan(1_000_000, low, 0);
        int heads = _model.Configuration.TotalKvHeads;
        long page = new KvArenaShape(_model.Configuration.HeadDim, 16, 1).PageImageBytes();
        Assert.Equal(heads * 3 * page, plan.FloorBytesPerSession); // 36 KVs are three pages of 16
        Assert.Equal(plan.FloorBytesPerSession, plan.BytesPerSession);
        Assert.Equal(heads * 5 * page, Plan(1_000_000, low with { SinkTokens = 16, ProtectedTokens = 64 }, 0).BytesPerSession);
        CapacityPlan half = Plan(1_000_000, low with { RetainedRatio = 0.5 }, 0);
        Assert.Equal((heads * 3 * page, heads * 19 * page / 2), (half.FloorBytesPerSession, half.BytesPerSession));
    }

    [Fact]
    public void A_pool_that_cannot_read_one_holds_none() => Assert.Equal(0, Plan(40_000, KvCompression.Off, 0).Sessions);

    [Theory]
    [InlineData(0, 0, "tokens is 0")]
    [InlineData(513, 0, "tokens is 513; it must be from 1 to 512")]
    [InlineData(10, 10, "answerTokens is 10; it must be from 0 to 9")]
    [InlineData(10, -1, "answerTokens is -1")]
    public void What_cannot_be_planned_is_an_error(int tokens, int answer, string message)
    {
        using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = 1_000_000 });
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => engine.PlanCapacity(tokens, KvCompression.Off, answer)).Message, StringComparison.Ordinal);
    }

    private static KvCompression Setting(string name) => name switch
    {
        "off" => KvCompression.Off,
        "k8v4" => KvCompression.Off with { Format = KvFormat.K8V4 },
        "quarter" => new KvCompression { RetainedRatio = 0.25 },
        "while" => new KvCompression { RetainedRatio = 0.25, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 },
        "floor" => new KvCompression { RetainedRatio = 0.01 },
        "kvs" => new KvCompression { RetainedKvs = 100, DecodeInterval = 0 },
        _ => new KvCompression { Policy = name, RetainedRatio = 0.5, DecodeInterval = 8 },
    };

    private CapacityPlan Plan(long budget, KvCompression compression, int answer)
    {
        using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = budget });
        return engine.PlanCapacity(Tokens, compression, answer);
    }

    /// <summary>Runs sessions on a real engine; it waits at the first token until all are queued, so that none ends before the last has come.</summary>
    private async Task<EngineStatistics> RunAsync(long budget, KvCompression compression, int sessions)
    {
        using var allQueued = new ManualResetEventSlim();
        using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = budget, HoldFinishedSequences = false });
        Generation[] generations = [.. Enumerable.Range(0, sessions).Select(i => engine.Submit(new GenerationRequest
        {
            Prompt = Enumerable.Range(0, Tokens - Answer).Select(t => 2 + (((t * (2 * i + 3)) + i) % 61)).ToArray(),
            MaxOutputTokens = Answer,
            Compression = compression,
            Constraint = _ => new Gate(allQueued),
        }))];
        allQueued.Set();
        await Task.WhenAll(generations.Select(g => g.Completion));
        return engine.GetStatistics();
    }

    private sealed class Gate(ManualResetEventSlim open) : ITokenConstraint
    {
        public bool MustStop => false;

        public bool Apply(Span<float> logits)
        {
            open.Wait();
            return true;
        }

        public void Accept(int token)
        {
        }
    }
}
