extern alias gpu;

using gpu::KvChat.Gpu.Benchmarks;

namespace KvChat.Cuda.Tests;

/// <summary>The arithmetic of the engine's benchmark, against figures worked out by hand.</summary>
public sealed class EngineTimesTests
{
    [Fact]
    public void Rates_come_from_what_the_run_took_beside_its_prompts()
    {
        // 10 prompts of 2 s each leave 30 of 50 s for 10 times 9 tokens.
        EngineTimes times = new(Requests: 10, Prompt: 90, Answer: 10, Seconds: 50, PromptSeconds: 2, TokenSeconds: 0.25, LargestBatch: 4);
        Assert.Equal(30, times.DecodeSeconds, 1e-9);
        Assert.Equal(3, times.DecodeRate, 1e-9);
        Assert.Equal(20, times.TotalRate, 1e-9);
        Assert.Equal(100 / (2 + (9 * 0.25)), times.CeilingRate, 1e-9);
    }

    [Fact]
    public void Where_noise_leaves_no_time_there_is_no_rate()
    {
        EngineTimes times = new(Requests: 10, Prompt: 90, Answer: 10, Seconds: 20, PromptSeconds: 2, TokenSeconds: -0.1, LargestBatch: 4);
        Assert.True(double.IsNaN(times.DecodeRate));
        Assert.True(double.IsNaN(times.CeilingRate));
    }

    /// <summary>Steps without an answer row belong to the next one that has some, since the device may still be at work on them; small batches say nothing about the largest one.</summary>
    [Fact]
    public void A_token_of_the_largest_batch_takes_what_its_rounds_leave_beside_prompts()
    {
        StepLog log = new();
        log.Add(100, 5, TimeSpan.FromSeconds(100));
        log.Clear();
        log.Add(64, 0, TimeSpan.FromSeconds(0.1));
        log.Add(64, 0, TimeSpan.FromSeconds(0.1));
        log.Add(32, 10, TimeSpan.FromSeconds(3.8));
        log.Add(0, 10, TimeSpan.FromSeconds(2));
        log.Add(0, 9, TimeSpan.FromSeconds(1.8));
        log.Add(0, 8, TimeSpan.FromSeconds(50));
        Assert.Equal(10, log.LargestBatch);

        // 4 s with 160 rows of 0.0125 s leave 2 s; then 2 s and 1.8 s: 5.8 s for 29 tokens.
        Assert.Equal(0.2, log.SecondsPerAnswerToken(0.0125), 1e-9);
    }
}
