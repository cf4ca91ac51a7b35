using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Scheduling;

/// <summary>Layers with a sliding window give their pages back on their own, and nobody can tell by the tokens.</summary>
public sealed class WindowTests : IDisposable
{
    private const int Window = 100;
    private readonly CpuBackend _backend = RandomModel.Backend();
    private readonly TransformerModel _model;

    public WindowTests() => _model = Model([new LayerConfiguration { SlidingWindow = Window }, new LayerConfiguration(), new LayerConfiguration { SlidingWindow = Window, Rotary = null }]);

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Forgetting_changes_no_token_and_bounds_what_windows_hold()
    {
        GenerationRequest request = Request(700, 400);
        int[] expected = Unforgetting(_model, request.Prompt.ToArray(), 400);
        foreach (int step in (int[])[48, 512])
        {
            GenerationResult result = Run(_model, new EngineOptions { StepTokens = step, CacheBytes = 8_000_000 }, out int[] answer, request);
            Assert.Equal(expected, answer);
            Assert.Equal(1099, result.Kvs.KeptPerHead[2]);
            foreach (int head in (int[])[0, 1, 4, 5])
                Assert.InRange(result.Kvs.KeptPerHead[head], Window - 1, Window + SequenceCache.ForgottenTogether(16) + 64);
        }
    }

    [Fact]
    public void A_prompt_far_longer_than_the_pool_fits_where_all_layers_have_windows()
    {
        using TransformerModel model = Model([.. LayerConfiguration.Alike(2, new LayerConfiguration { SlidingWindow = Window })]);
        GenerationRequest request = Request(1800, 40);
        long bytes = 4L * (Window + SequenceCache.ForgottenTogether(16) + 720) / 16 * ((16 * 16 * 2 * 2) + (16 * 8));
        var options = new EngineOptions { CacheBytes = bytes, StepTokens = 64, MaxSequences = 8 };
        Run(model, options, out int[] answer, request);
        Assert.Equal(Unforgetting(model, request.Prompt.ToArray(), 40), answer);
    }

    [Fact]
    public void Compressed_sequences_depend_on_neither_step_nor_neighbours()
    {
        KvCompression eight = new()
        {
            RetainedRatio = 0.125, DecodeInterval = 16, ProtectedTokens = 16, ObservationWindow = 16, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 128,
        };
        GenerationRequest[] requests = [.. ((KvCompression[])[KvCompression.Off, eight, eight with { Query = CompressionQuery.Unknown }, eight with { Schedule = CompressionSchedule.AfterPrompt }])
            .Select(c => Request(900, 120) with { Compression = c })];
        List<int[]> alone = [.. requests.Select(r => { Run(_model, new EngineOptions { CacheBytes = 8_000_000 }, out int[] answer, r); return answer; })];
        foreach (int step in (int[])[40, 300])
        {
            using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 2_000_000, StepTokens = step, HoldFinishedSequences = false });
            Session[] sessions = [.. requests.Select(scheduler.Add)];
            scheduler.RunAll();
            Assert.Equal(alone, sessions.Select(s => s.Answer()));
        }
    }

    [Fact]
    public void A_conversation_goes_on_from_forgetful_pages()
    {
        using var scheduler = new Scheduler(_model, new EngineOptions { CacheBytes = 8_000_000 });
        GenerationRequest first = Request(600, 30);
        Session one = scheduler.Add(first);
        scheduler.RunAll();
        int[] longer = [.. first.Prompt.ToArray(), .. one.Answer(), 5, 6, 7, 8];
        Session two = scheduler.Add(first with { Prompt = longer });
        scheduler.RunAll();
        Assert.Equal(629, two.Result().CachedTokens);
        Assert.Equal(Unforgetting(_model, longer, 30), two.Answer());

        // What the windows of the held sequence no longer hold cannot be shared by a prompt that ends before.
        int[] shorter = [.. longer[..300], 9, 10];
        Session three = scheduler.Add(first with { Prompt = shorter });
        scheduler.RunAll();
        Assert.Equal(0, three.Result().CachedTokens);
        Assert.Equal(Unforgetting(_model, shorter, 30), three.Answer());
    }

    [Fact]
    public void A_sequence_that_outgrows_its_short_table_is_read_again_whatever_else_runs()
    {
        float[] small = [1, 1, 1, 1, 1, 1, 1, 1], large = [1, 1.5f, 2, 3, 4, 5, 6, 7];
        using TransformerModel model = Model(LayerConfiguration.Alike(2), new RotaryScaling.LongRopeScaling(small, large, 150) { Magnitude = 1.1 });
        KvCompression half = new() { RetainedRatio = 0.5, DecodeInterval = 16, ProtectedTokens = 16, ObservationWindow = 16, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 };
        GenerationRequest[] requests = [Request(120, 80), Request(120, 80) with { Compression = half }, Request(200, 20), Request(60, 60)];
        List<int[]> alone = [.. requests.Select(r => { Run(model, new EngineOptions { CacheBytes = 8_000_000 }, out int[] answer, r); return answer; })];
        foreach ((int step, long bytes) in ((int, long)[])[(32, 8_000_000), (512, 200_000)])
        {
            using var scheduler = new Scheduler(model, new EngineOptions { CacheBytes = bytes, StepTokens = step, HoldFinishedSequences = false });
            Session[] sessions = [.. requests.Select(scheduler.Add)];
            scheduler.RunAll();
            Assert.Equal(alone, sessions.Select(s => s.Answer()));
        }

        // From where it was read again on, each token is the one that a fresh reading of everything before draws.
        int[] all = [.. requests[0].Prompt.ToArray(), .. alone[0]];
        foreach (int length in (int[])[140, 150, 151, 170])
            Assert.Equal(all[length], Unforgetting(model, all[..length], 1).Single());
    }

    private static GenerationRequest Request(int prompt, int output)
    {
        var random = new Random(3);
        return new GenerationRequest { Prompt = Enumerable.Range(0, prompt).Select(_ => random.Next(2, 64)).ToArray(), MaxOutputTokens = output, Compression = KvCompression.Off };
    }

    private static GenerationResult Run(TransformerModel model, EngineOptions options, out int[] answer, GenerationRequest request)
    {
        using var scheduler = new Scheduler(model, options with { HoldFinishedSequences = false });
        Session session = scheduler.Add(request);
        scheduler.RunAll();
        answer = session.Answer();
        return session.Result();
    }

    /// <summary>Greedy tokens of a cache that keeps everything.</summary>
    private static int[] Unforgetting(TransformerModel model, int[] prompt, int output)
    {
        using var runner = new StepRunner(model, 1, prompt.Length + output, prompt.Length, 1, KvFormat.F16);
        var answer = new int[output];
        var logits = new float[model.Configuration.VocabularySize];
        runner.Read(0, prompt, 1);
        for (int i = 0; i < output; i++)
        {
            runner.ReadLogits(0, logits);
            answer[i] = Array.IndexOf(logits, logits.Max());
            if (i < output - 1)
                runner.Read(0, [answer[i]], 1);
        }

        return answer;
    }

    private TransformerModel Model(IReadOnlyList<LayerConfiguration> layers, RotaryScaling? scaling = null) => RandomModel.Create(
        _backend, context: 2048, change: c => c with
        {
            PerLayer = layers,
            Rotaries = [new RotaryConfiguration { Dimensions = 16, Base = 10_000, Scaling = scaling ?? RotaryScaling.None }],
        });
}
