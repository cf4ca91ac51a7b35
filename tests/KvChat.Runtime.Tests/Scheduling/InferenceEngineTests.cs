using KvChat.Kernels.Cpu;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>The engine with its thread: callers, cancellation, a full queue, disposal.</summary>
public sealed class InferenceEngineTests : IDisposable
{
    /// <summary>An answer that cannot have ended by itself before a test interferes.</summary>
    private const int LongAnswer = 60_000;

    private static readonly EngineOptions s_long = new() { CacheBytes = 120_000_000, ContextTokens = 65_536 };

    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public InferenceEngineTests() => _model = RandomModel.Create(_backend);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public async Task Many_callers_at_once_get_what_each_would_get_alone()
    {
        await using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = 1_000_000 });
        List<int>[] alone = new List<int>[8];
        for (int i = 0; i < alone.Length; i++)
            alone[i] = await Read(engine.Submit(Request(i, 60, 20)));
        List<int>[] together = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => Task.Run(() => Read(engine.Submit(Request(i % 8, 60, 20))))));
        for (int i = 0; i < together.Length; i++)
            Assert.Equal(alone[i % 8], together[i]);
    }

    [Fact]
    public async Task Cancellation_ends_the_stream_and_frees_the_pages()
    {
        await using var engine = new InferenceEngine(_model, s_long with { HoldFinishedSequences = false });
        using var cancel = new CancellationTokenSource();
        Generation generation = engine.Submit(Request(1, 30, LongAnswer), cancel.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (int token in generation.ReadTokensAsync())
                await cancel.CancelAsync();
        });
        Assert.Equal(5, (await Read(engine.Submit(Request(2, 30, 5)))).Count);
    }

    [Fact]
    public async Task Cancellation_ends_the_stream_of_an_answer_that_is_whole_but_unread()
    {
        await using var engine = new InferenceEngine(_model, s_long);
        using var cancel = new CancellationTokenSource();
        Generation generation = engine.Submit(Request(1, 30, 20), cancel.Token);
        await generation.Completion;
        int read = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (int token in generation.ReadTokensAsync(cancel.Token))
            {
                read++;
                await cancel.CancelAsync();
            }
        });
        Assert.Equal(1, read);
    }

    [Fact]
    public async Task Breaking_off_the_enumeration_cancels_the_request()
    {
        await using var engine = new InferenceEngine(_model, s_long);
        Generation generation = engine.Submit(Request(1, 30, LongAnswer));
        await foreach (int token in generation.ReadTokensAsync())
            break;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generation.Completion);
    }

    [Fact]
    public async Task A_full_queue_is_an_error_that_says_when_to_come_back()
    {
        await using var engine = new InferenceEngine(_model, s_long with { MaxSequences = 1, MaxQueuedRequests = 2 });
        var generations = new List<Generation>();
        KvQueueFullException? full = null;
        for (int i = 0; i < 50 && full is null; i++)
        {
            try
            {
                generations.Add(engine.Submit(Request(i, 200, LongAnswer)));
            }
            catch (KvQueueFullException error)
            {
                full = error;
            }
        }

        Assert.NotNull(full);
        Assert.True(full.RetryAfter > TimeSpan.Zero);
        generations.ForEach(g => g.Cancel());
    }

    [Fact]
    public async Task Disposal_ends_requests_in_flight_and_refuses_new_ones()
    {
        var engine = new InferenceEngine(_model, s_long);
        Generation[] generations = [.. Enumerable.Range(0, 5).Select(i => engine.Submit(Request(i, 100, LongAnswer)))];
        await engine.DisposeAsync();
        foreach (Generation generation in generations)
            await Assert.ThrowsAsync<ObjectDisposedException>(() => generation.Completion);
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(Request(1, 10, 10)));
        await engine.DisposeAsync();
    }

    [Theory]
    [InlineData(0, 10, "Prompt")]
    [InlineData(10, 0, "MaxOutputTokens")]
    public async Task A_senseless_request_is_refused_by_field(int prompt, int output, string field)
    {
        await using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = 1_000_000 });
        ArgumentException error = Assert.Throws<ArgumentException>(() => engine.Submit(Request(1, prompt, output)));
        Assert.Contains(field, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_than_the_context_is_refused_with_both_numbers()
    {
        await using var engine = new InferenceEngine(_model, new EngineOptions { CacheBytes = 10_000_000 });
        KvCapacityException error = Assert.Throws<KvCapacityException>(() => engine.Submit(Request(1, 500, 100)));
        Assert.Equal((600, 512), (error.Needed, error.Available));
    }

    private static GenerationRequest Request(int seed, int prompt, int output)
    {
        var random = new Random(seed);
        return new GenerationRequest { Prompt = Enumerable.Range(0, prompt).Select(_ => random.Next(2, 64)).ToArray(), MaxOutputTokens = output };
    }

    private static async Task<List<int>> Read(Generation generation)
    {
        var tokens = new List<int>();
        await foreach (int token in generation.ReadTokensAsync())
            tokens.Add(token);
        return tokens;
    }
}
