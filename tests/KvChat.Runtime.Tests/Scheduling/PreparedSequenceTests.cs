using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>Sequences that are read once and stay: what requests get from them, what they cost, and when they go.</summary>
public sealed class PreparedSequenceTests : IDisposable
{
    private const int DocumentTokens = 203; // no whole number of pages

    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public PreparedSequenceTests() => _model = RandomModel.Create(_backend);

    public static TheoryData<string> Settings => ["off", "after", "unknown", "while", "f32"];

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public async Task A_request_from_a_full_sequence_equals_one_that_reads_everything(string name)
    {
        KvCompression compression = Named(name);
        GenerationRequest request = Ask(1, compression);
        int[] expected = await Fresh(request);
        await using var engine = Engine();
        using PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document() });
        (int[] answer, GenerationResult result) = await Read(engine.Submit(request with { Start = document }));
        Assert.Equal(expected, answer);
        if (name is "off" or "after")
            Assert.InRange(result.CachedTokens, DocumentTokens - 32, DocumentTokens);
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public async Task A_copy_under_other_settings_equals_the_text_prepared_under_them(string name)
    {
        KvCompression compression = Named(name);
        await using var engine = Engine();
        using PreparedSequence full = await engine.PrepareAsync(new PreparationRequest { Prompt = Document() });
        using PreparedSequence copy = await full.ForkAsync(compression);
        using PreparedSequence read = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = compression });
        Assert.Equal(read.Kvs.KeptPerHead, copy.Kvs.KeptPerHead);
        Assert.Equal(read.IsCompressed, copy.IsCompressed);
        KvCompression rest = KvCompression.Off with { Format = compression.Format };
        Assert.Equal((await Read(engine.Submit(Ask(2, rest) with { Start = read }))).Answer, (await Read(engine.Submit(Ask(2, rest) with { Start = copy }))).Answer);
    }

    [Fact]
    public async Task Ten_sessions_over_one_document_hold_its_pages_once()
    {
        await using var engine = Engine();
        using PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = Named("unknown") });
        Assert.True(await Shows(engine, s => s is { Prepared: 1, Running: 0 }));
        int before = Used(engine);
        Assert.Equal(document.Kvs.Bytes, before * (long)engine.GetStatistics().BytesPerPage);
        Generation[] generations = [.. Enumerable.Range(0, 10).Select(i => engine.Submit(Ask(i, KvCompression.Off, output: 5) with { Start = document }))];
        long tails = 0;
        foreach (Generation generation in generations)
            tails += (await Read(generation)).Result.Kvs.Bytes - document.Kvs.Bytes;
        Assert.True(tails > 0);

        // Finished sequences are held, each with its own tail and copies of partly filled last pages; the document's whole pages count once.
        int heads = document.Kvs.KeptPerHead.Count;
        int most = before + (int)(tails / engine.GetStatistics().BytesPerPage) + (10 * heads);
        Assert.True(await Shows(engine, s => s is { Held: 10, Running: 0 }));
        Assert.InRange(Used(engine), before + 10, most);
        Assert.True(most < 10 * before);
    }

    [Fact]
    public async Task What_one_session_evicts_no_other_misses()
    {
        KvCompression strong = new() { RetainedKvs = 40, DecodeInterval = 4 };
        await using var engine = Engine();
        using PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = Named("unknown") });
        int[][] alone = new int[8][];
        for (int i = 0; i < alone.Length; i++)
            alone[i] = (await Read(engine.Submit(From(i)))).Answer;
        (int[] Answer, GenerationResult Result)[] together = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => Task.Run(() => Read(engine.Submit(From(i % 8))))));
        for (int i = 0; i < together.Length; i++)
            Assert.Equal(alone[i % 8], together[i].Answer);
        Assert.Contains(together, t => t.Result.Kvs.Kept < document.Kvs.Kept);

        GenerationRequest From(int i) => Ask(i, i % 2 == 0 ? strong : KvCompression.Off) with { Start = document };
    }

    [Fact]
    public async Task Under_pressure_a_document_waits_in_host_memory_and_comes_back_bit_for_bit()
    {
        await using var engine = Engine(cacheBytes: 70_000);
        PreparedSequence[] documents = new PreparedSequence[6];
        int[][] expected = new int[documents.Length][];
        for (int i = 0; i < documents.Length; i++)
        {
            documents[i] = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(i), Compression = Named("unknown") });
            expected[i] = (await Read(engine.Submit(From(i)))).Answer;
        }

        Assert.True(documents.Sum(d => d.Kvs.Bytes) > engine.GetStatistics().CacheBytes, "all documents were meant to be more than the pool");
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < documents.Length; i++)
                Assert.Equal(expected[i], (await Read(engine.Submit(From(i)))).Answer);
        }

        foreach (PreparedSequence document in documents)
            document.Dispose();

        GenerationRequest From(int i) => Ask(1, KvCompression.Off, document: i) with { Start = documents[i] };
    }

    [Fact]
    public async Task A_later_turn_over_a_document_reads_only_what_is_new()
    {
        await using var engine = Engine();
        using PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = Named("unknown") });
        GenerationRequest first = Ask(1, KvCompression.Off) with { Start = document };
        int[] answer = (await Read(engine.Submit(first))).Answer;
        int[] longer = [.. first.Prompt.Span, .. answer, .. Tokens(77, 9)];
        GenerationRequest second = first with { Prompt = longer };
        (int[] cached, GenerationResult result) = await Read(engine.Submit(second));
        Assert.True(result.CachedTokens > DocumentTokens, $"{result.CachedTokens} of {longer.Length} tokens were held");

        // A request without the document must not get its compressed KVs, though the tokens are the same.
        Assert.Equal(await Fresh(second with { Start = null }), (await Read(engine.Submit(second with { Start = null }))).Answer);
        await using var other = Engine(hold: false);
        using PreparedSequence again = await other.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = Named("unknown") });
        Assert.Equal((await Read(other.Submit(second with { Start = again }))).Answer, cached);
    }

    [Fact]
    public async Task Disposal_gives_the_pages_back_once_the_last_request_has_ended()
    {
        await using var engine = Engine(hold: false);
        PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document() });
        Assert.True(await Shows(engine, s => s is { Prepared: 1, Running: 0 }));
        int[] expected = await Fresh(Ask(1, KvCompression.Off)); // before: two engines of one model must not run at the same time
        Generation running = engine.Submit(Ask(1, KvCompression.Off) with { Start = document });
        document.Dispose();
        document.Dispose();
        Assert.Equal(expected, (await Read(running)).Answer);
        Assert.Throws<ObjectDisposedException>(() => engine.Submit(Ask(1, KvCompression.Off) with { Start = document }));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => document.ForkAsync(KvCompression.Off));
        Assert.True(await Shows(engine, s => s is { Prepared: 0, Running: 0 } && s.FreePages == s.TotalPages));
    }

    [Fact]
    public async Task Cancellation_ends_the_reading_and_frees_the_pages()
    {
        await using var engine = Engine(stepTokens: 16);
        var steps = new List<PreparationProgress>();
        bool cancelled = false;
        for (int attempt = 0; attempt < 50 && !cancelled; attempt++)
        {
            // The engine may have read everything before it hears of the cancellation; then the next attempt counts.
            using var cancel = new CancellationTokenSource();
            var progress = new Told(step =>
            {
                steps.Add(step);
                cancel.Cancel();
            });
            try
            {
                using PreparedSequence whole = await engine.PrepareAsync(new PreparationRequest { Prompt = Tokens(1, 500) }, progress, cancel.Token);
            }
            catch (OperationCanceledException)
            {
                cancelled = true;
            }
        }

        Assert.True(cancelled);
        Assert.InRange(steps[^1].TokensRead, 1, 499); // what was told before it was cancelled
        Assert.Equal(500, steps[^1].TotalTokens);
        Assert.True(await Shows(engine, s => s is { Prepared: 0, Running: 0 } && s.FreePages == s.TotalPages));
    }

    [Fact]
    public async Task Wrong_starts_are_refused_by_field()
    {
        await using var engine = Engine();
        await using var other = Engine();
        using PreparedSequence document = await engine.PrepareAsync(new PreparationRequest { Prompt = Document(), Compression = Named("unknown") });
        Refused("Start", other, Ask(1, KvCompression.Off) with { Start = document });
        Refused("Start", engine, Ask(1, KvCompression.Off, document: 5) with { Start = document });
        Refused("Prompt", engine, new GenerationRequest { Prompt = Document(), Start = document });
        Refused("Format", engine, Ask(1, Named("f32")) with { Start = document });
        await Assert.ThrowsAsync<InvalidOperationException>(() => document.ForkAsync(KvCompression.Off));
        await Assert.ThrowsAsync<KvCapacityException>(() => engine.PrepareAsync(new PreparationRequest { Prompt = Tokens(1, 600) }));

        static void Refused(string field, InferenceEngine engine, GenerationRequest request) =>
            Assert.Contains(field, Assert.Throws<ArgumentException>(() => engine.Submit(request)).Message, StringComparison.Ordinal);
    }

    private static KvCompression Named(string name) => name switch
    {
        "off" => KvCompression.Off,
        "after" => new() { RetainedRatio = 0.4 },
        "unknown" => new() { RetainedRatio = 0.4, Query = CompressionQuery.Unknown },
        "while" => new() { RetainedRatio = 0.4, Query = CompressionQuery.Unknown, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 },
        _ => new() { RetainedRatio = 0.4, Query = CompressionQuery.Unknown, Format = KvFormat.F32 },
    };

    private static int[] Document(int seed = 0) => Tokens(100 + seed, DocumentTokens);

    private static int[] Tokens(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(2, 64))];
    }

    private static GenerationRequest Ask(int seed, KvCompression compression, int document = 0, int output = 30)
    {
        int[] question = Tokens(seed, 21);
        return new GenerationRequest
        {
            Prompt = (int[])[.. Document(document), .. question],
            Spans = [new PromptSpan(PromptSpanKind.Document, 0, DocumentTokens, KvRetention.Compressible), new PromptSpan(PromptSpanKind.Question, DocumentTokens, 21, KvRetention.Pinned)],
            MaxOutputTokens = output,
            Compression = compression,
            Sampling = new SamplingOptions { Temperature = 1, Seed = seed },
        };
    }

    private static async Task<(int[] Answer, GenerationResult Result)> Read(Generation generation)
    {
        var tokens = new List<int>();
        await foreach (int token in generation.ReadTokensAsync())
            tokens.Add(token);
        return ([.. tokens], await generation.Completion);
    }

    /// <summary>Statistics are at most a step old: looks again until they show it, and gives up after many looks.</summary>
    private static async Task<bool> Shows(InferenceEngine engine, Func<EngineStatistics, bool> holds)
    {
        for (int i = 0; i < 1_000_000 && !holds(engine.GetStatistics()); i++)
            await Task.Yield();
        return holds(engine.GetStatistics());
    }

    private static int Used(InferenceEngine engine) => engine.GetStatistics().TotalPages - engine.GetStatistics().FreePages;

    private InferenceEngine Engine(long cacheBytes = 2_000_000, int stepTokens = 512, bool hold = true) =>
        new(_model, new EngineOptions { CacheBytes = cacheBytes, StepTokens = stepTokens, HoldFinishedSequences = hold });

    private async Task<int[]> Fresh(GenerationRequest request)
    {
        await using var engine = Engine(hold: false);
        return (await Read(engine.Submit(request))).Answer;
    }

    private sealed class Told(Action<PreparationProgress> tell) : IProgress<PreparationProgress>
    {
        public void Report(PreparationProgress value) => tell(value);
    }
}
