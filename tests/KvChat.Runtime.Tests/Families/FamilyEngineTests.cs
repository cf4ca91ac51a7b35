using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Scheduling;
using KvChat.Runtime.Tests.Scheduling;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Families;

/// <summary>The engine over tiny models of every family: the reference's own greedy answers, and compression within and beside windows and layers without positions.</summary>
public sealed class FamilyEngineTests
{
    public static IEnumerable<object[]> Folders => FamilyGguf.Folders.Select(f => new object[] { f.Folder, f.Family });

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void The_engine_draws_the_greedy_tokens_of_the_reference(string folder, string family)
    {
        using CpuBackend backend = RandomModel.Backend(threads: 2);
        using TransformerModel model = Load(folder, family, backend, out SafetensorsFile golden);
        int[][] prompts = [.. Enumerable.Range(0, 3).Select(n => golden.Ints($"ids.{n}"))];
        List<int[]> answers = Drive(
            model, [.. prompts.Select(p => new GenerationRequest { Prompt = p, MaxOutputTokens = 16, Compression = KvCompression.Off with { Format = KvFormat.F32 } })]);
        for (int n = 0; n < prompts.Length; n++)
            AssertGreedy(model, prompts[n], golden.Ints($"greedy.{n}"), answers[n]);
    }

    /// <summary>The same tokens, up to the first place where two are as good as each other within the tolerance of both.</summary>
    private static void AssertGreedy(TransformerModel model, int[] prompt, int[] expected, int[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        int equal = expected.AsSpan().CommonPrefixLength(actual);
        if (equal == expected.Length)
            return;
        float[] logits = WholeSequence.Logits(model, [.. prompt, .. expected[..equal]])[^1];
        Assert.True(
            Math.Abs(logits[expected[equal]] - logits[actual[equal]]) <= 2 * GgufFamilyTests.Tolerance,
            $"token {equal} is {actual[equal]} with logit {logits[actual[equal]]}, not {expected[equal]} with {logits[expected[equal]]}");
    }

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void Off_equals_a_large_budget_and_tighter_ones_run_beside_it(string folder, string family)
    {
        using CpuBackend backend = RandomModel.Backend();
        using TransformerModel model = Load(folder, family, backend, out _);
        GenerationRequest off = Request(model, 180, 40);
        int[] expected = Drive(model, [off]).Single();
        KvCompression twice = new() { RetainedRatio = 0.5, DecodeInterval = 16, ProtectedTokens = 16, ObservationWindow = 16 };
        KvCompression eight = twice with { RetainedRatio = 0.125, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 64 };
        List<int[]> mixed = Drive(model,
        [
            off, off with { Compression = new KvCompression { RetainedKvs = 4096, ChunkTokens = 64, Schedule = CompressionSchedule.WhileReading } },
            off with { Compression = twice }, off with { Compression = eight },
        ]);
        Assert.Equal(expected, mixed[0]);
        Assert.Equal(expected, mixed[1]);
        Assert.Equal(mixed[2], Drive(model, [off with { Compression = twice }]).Single());
        Assert.Equal(mixed[3], Drive(model, [off with { Compression = eight }], stepTokens: 48).Single());
    }

    private static GenerationRequest Request(TransformerModel model, int prompt, int output)
    {
        var random = new Random(17);
        return new GenerationRequest
        {
            Prompt = Enumerable.Range(0, prompt).Select(_ => random.Next(3, model.Configuration.VocabularySize)).ToArray(),
            MaxOutputTokens = output,
            Compression = KvCompression.Off,
        };
    }

    private static TransformerModel Load(string folder, string family, CpuBackend backend, out SafetensorsFile golden)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        golden = SafetensorsFile.Open(Path.Combine(path, "golden.safetensors"));
        using GgufFile file = GgufFile.Open(FamilyGguf.Write(path, family, WeightFormat.F32));
        return TransformerModel.Load(GgufConfiguration.Read(file), TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(family));
    }

    private static List<int[]> Drive(TransformerModel model, GenerationRequest[] requests, int stepTokens = 512)
    {
        using var scheduler = new Scheduler(model, new EngineOptions { CacheBytes = 16_000_000, StepTokens = stepTokens, HoldFinishedSequences = false });
        Session[] sessions = [.. requests.Select(scheduler.Add)];
        scheduler.RunAll();
        Assert.Equal(scheduler.TotalPages, scheduler.Statistics(faulted: false).FreePages);
        return [.. sessions.Select(s => s.Answer())];
    }
}
