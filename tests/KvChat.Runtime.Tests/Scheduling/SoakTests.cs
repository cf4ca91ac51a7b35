using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>What many requests, one after another, leave behind.</summary>
[Collection(WholeProcess.Name)]
public sealed class SoakTests : IDisposable
{
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public SoakTests() => _model = RandomModel.Create(_backend);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Ten_thousand_short_requests_leave_memory_where_it_was()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 300_000, StepTokens = 64, MaxSequences = 16 });
        long baseline = 0;
        for (int round = 0; round < 100; round++)
        {
            for (int i = 0; i < 100; i++)
                scheduler.Add(Request((round * 100) + i, 4 + (i % 13), 1 + (i % 5)) with { Compression = i % 4 == 0 ? new KvCompression { RetainedRatio = 0.5 } : KvCompression.Off });
            while (scheduler.HasWork)
                scheduler.Step();
            if (round == 20)
                baseline = GC.GetTotalMemory(forceFullCollection: true);
        }

        scheduler.Audit();
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - baseline, long.MinValue, 500_000);
        scheduler.DropHeld();
        EngineStatistics statistics = scheduler.Statistics(faulted: false);
        Assert.Equal(statistics.TotalPages, statistics.FreePages);
    }

    private static GenerationRequest Request(int seed, int prompt, int output)
    {
        var random = new Random(seed);
        return new GenerationRequest { Prompt = Enumerable.Range(0, prompt).Select(_ => random.Next(2, 64)).ToArray(), MaxOutputTokens = output };
    }
}
