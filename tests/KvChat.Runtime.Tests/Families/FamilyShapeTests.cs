using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Tests.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Families;

/// <summary>Every family in sizes that the reference folders do not have: heads of 24 to 256, groups of 1 to 7, widths that are no round numbers, other seeds.</summary>
public sealed class FamilyShapeTests
{
    private static readonly FamilyShape s_plain = new()
    {
        Width = 64, Layers = 4, Heads = 3, KvHeads = 1, HeadDim = 32, Hidden = 96, Vocabulary = 101, Context = 512, Window = 13, Experts = 5, ExpertsPerToken = 2, Seed = 11,
    };

    private static readonly FamilyShape[] s_shapes =
    [
        s_plain,
        s_plain with { Width = 96, Heads = 5, KvHeads = 5, HeadDim = 64, Hidden = 160, Layers = 6, Seed = 12 },
        s_plain with { Width = 160, Heads = 6, KvHeads = 2, HeadDim = 80, Hidden = 200, Vocabulary = 77, Seed = 13 },
        s_plain with { Width = 128, Heads = 7, KvHeads = 1, HeadDim = 128, Layers = 2, Experts = 3, ExpertsPerToken = 3, Hidden = 96, Seed = 14 },
        s_plain with { Width = 64, Heads = 4, KvHeads = 2, HeadDim = 256, Layers = 2, Window = 32, Seed = 15 },
        s_plain with { Width = 72, Heads = 9, KvHeads = 3, HeadDim = 24, Hidden = 104, Layers = 7, Window = 1, Seed = 16 },
    ];

    public static IEnumerable<object[]> All =>
        from name in RandomFamily.Names from shape in Enumerable.Range(0, s_shapes.Length) select new object[] { name, shape };

    [Theory]
    [MemberData(nameof(All))]
    public void Logits_equal_those_of_a_plain_forward_pass(string name, int number)
    {
        FamilyShape shape = s_shapes[number] with { Context = 64 };
        RandomFamily written = RandomFamily.Write(name, shape);
        using CpuBackend backend = RandomModel.Backend(threads: 1 + (number % 2));
        using TransformerModel model = Load(written, backend);
        int length = name == "phi3-longrope" && number % 2 == 0 ? 16 : 40; // 16 is the original context
        var random = new Random(number);
        int[] ids = [.. Enumerable.Range(0, length).Select(_ => random.Next(shape.Vocabulary))];
        float[][] actual = WholeSequence.Logits(model, ids);
        double[][] expected = new PlainTransformer(written, name, shape).Run(ids);
        double largest = expected.Max(row => row.Max(Math.Abs));
        for (int t = 0; t < length; t++)
        {
            for (int i = 0; i < shape.Vocabulary; i++)
                Assert.True(Math.Abs(expected[t][i] - actual[t][i]) <= 1e-4 * Math.Max(1, largest), $"position {t}, token {i}: {actual[t][i]}, not {expected[t][i]} (logits up to {largest:f1})");
        }
    }

    /// <summary>Every family in every other shape.</summary>
    public static IEnumerable<object[]> Half => All.Where((_, i) => (i + (i / s_shapes.Length)) % 2 == 0);

    [Theory]
    [MemberData(nameof(Half))]
    public void Off_equals_a_large_budget_and_compressed_ones_run_beside_it(string name, int number)
    {
        RandomFamily written = RandomFamily.Write(name, s_shapes[number]);
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = Load(written, backend);
        var random = new Random(number + 100);
        var off = new GenerationRequest
        {
            Prompt = Enumerable.Range(0, 130).Select(_ => random.Next(s_shapes[number].Vocabulary)).ToArray(), MaxOutputTokens = 20, Compression = KvCompression.Off,
        };
        KvCompression twice = new() { RetainedRatio = 0.5, DecodeInterval = 8, ProtectedTokens = 16, ObservationWindow = 16, Format = number % 2 == 0 ? KvFormat.F16 : KvFormat.K8V4 };
        KvCompression eight = twice with { RetainedRatio = 0.125, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 48, Format = KvFormat.F16 };
        List<int[]> mixed = Drive(model, 512,
            off, off with { Compression = new KvCompression { RetainedKvs = 4096, ChunkTokens = 48, Schedule = CompressionSchedule.WhileReading } },
            off with { Compression = twice }, off with { Compression = eight });
        Assert.Equal(mixed[0], mixed[1]);
        Assert.Equal(mixed[0], Drive(model, 33, off).Single());
        Assert.Equal(mixed[2], Drive(model, 70, off with { Compression = twice }).Single());
        Assert.Equal(mixed[3], Drive(model, 48, off with { Compression = eight }).Single());
    }

    private static TransformerModel Load(RandomFamily written, CpuBackend backend)
    {
        using GgufFile file = GgufFile.Open(written.File);
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        return TransformerModel.Load(configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(configuration.Architecture));
    }

    private static List<int[]> Drive(TransformerModel model, int stepTokens, params GenerationRequest[] requests)
    {
        using var scheduler = new Scheduler(model, new EngineOptions { CacheBytes = 32_000_000, StepTokens = stepTokens, HoldFinishedSequences = false });
        Session[] sessions = [.. requests.Select(scheduler.Add)];
        scheduler.RunAll();
        Assert.Equal(scheduler.TotalPages, scheduler.Statistics(faulted: false).FreePages);
        return [.. sessions.Select(s => s.Answer())];
    }
}
