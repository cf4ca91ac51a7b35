using KvChat.Kernels.Cpu;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

public sealed class StopTests
{
    [Fact]
    public void An_answer_that_is_stopped_has_a_result_and_its_kvs_are_held()
    {
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = RandomModel.Create(backend);
        using var scheduler = new Scheduler(model, new EngineOptions { CacheBytes = 4_000_000 });
        Session session = scheduler.Add(new GenerationRequest { Prompt = Enumerable.Range(2, 40).ToArray(), MaxOutputTokens = 300 });
        while (session.TokenCount < session.PromptLength + 5)
            scheduler.Step();
        session.Handle.Stop();
        scheduler.Step();
        scheduler.Audit();
        GenerationResult result = session.Result();
        Assert.Equal((GenerationEnd.Stop, 5), (result.End, result.OutputTokens));
        Assert.False(scheduler.HasWork);

        int[] next = [.. session.Tokens.AsSpan(0, session.TokenCount), 7, 8, 9];
        Session later = scheduler.Add(new GenerationRequest { Prompt = next, MaxOutputTokens = 1 });
        scheduler.RunAll();
        Assert.Equal(session.TokenCount - 1, later.Result().CachedTokens); // the last token had been drawn, not read
    }
}
