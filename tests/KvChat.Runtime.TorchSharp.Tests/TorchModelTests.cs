using System.Text.Json;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.TestSupport;
using Tensor = TorchSharp.torch.Tensor;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>Models on torch beside the same on the CPU back end, and beside the answers of other implementations.</summary>
public sealed class TorchModelTests
{
    private const int Piece = 512;

    [Fact]
    public void Greedy_tokens_of_the_embedded_model_are_those_of_the_CPU_back_end() =>
        Assert.Equal(Greedy(SharedFiles.EmbeddedModel, new CpuBackend(new CpuBackendOptions { Activations = ActivationPrecision.Float32 })), Greedy(SharedFiles.EmbeddedModel, new TorchBackend()));

    [SharedFact("models/smollm2")]
    public void Greedy_tokens_of_SmolLM2_are_those_of_the_CPU_back_end()
    {
        string file = File("smollm2");
        Assert.Equal(Greedy(file, new CpuBackend(new CpuBackendOptions { Activations = ActivationPrecision.Float32 })), Greedy(file, new TorchBackend()));
    }

    [SharedTheory("golden/tiny/logits.json", "golden/smollm2/logits.json", "models/tiny", "models/smollm2")]
    [InlineData("tiny")]
    [InlineData("smollm2")]
    public void Logits_and_greedy_tokens_are_those_of_the_reference(string name)
    {
        using LoadedModel model = Load(File(name), new TorchBackend());
        using JsonDocument document = JsonDocument.Parse(System.IO.File.ReadAllText(SharedFiles.PathOf($"golden/{name}/logits.json")));
        float[] logits = new float[model.Configuration.VocabularySize];
        foreach (JsonElement row in document.RootElement.EnumerateArray())
        {
            int[] ids = Ints(row.GetProperty("ids")), greedy = Ints(row.GetProperty("greedy"));
            using var runner = new StepRunner(model.Transformer, 1, ids.Length + greedy.Length, Math.Max(Piece, ids.Length), 1, KvFormat.F32);
            runner.Read(0, ids, logits: 1);
            runner.ReadLogits(0, logits);
            foreach (JsonElement pair in row.GetProperty("top").EnumerateArray())
                Assert.Equal(pair[1].GetDouble(), logits[pair[0].GetInt32()], 2e-2);
            for (int i = 0; i < greedy.Length; i++)
            {
                Assert.Equal(greedy[i], Array.IndexOf(logits, logits.Max()));
                runner.Read(0, greedy.AsSpan(i, 1), logits: 1);
                runner.ReadLogits(0, logits);
            }
        }
    }

    [Fact]
    public void A_prompt_has_the_same_logits_however_it_is_cut()
    {
        using LoadedModel model = Load(SharedFiles.EmbeddedModel, new TorchBackend(2));
        int[] prompt = [.. Enumerable.Range(0, 300).Select(i => 5 + (i * 37 % 1900))];
        float[]? expected = null;
        foreach (int piece in (int[])[300, 1, 7, 64])
        {
            float[] logits = new float[model.Configuration.VocabularySize];
            using var runner = new StepRunner(model.Transformer, 1, 300, 300, 1, KvFormat.F16);
            for (int at = 0; at < prompt.Length; at += piece)
                runner.Read(0, prompt.AsSpan(at, Math.Min(piece, prompt.Length - at)), logits: 1);
            runner.ReadLogits(0, logits);
            expected ??= logits;
            Assert.Equal(expected, logits);
        }
    }

    /// <summary>Scores are nearly those of the CPU back end; on the same scores an eviction leaves the same positions in every head.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void Eviction_keeps_the_same_sets_on_the_same_scores(int times)
    {
        using LoadedModel torch = Load(SharedFiles.EmbeddedModel, new TorchBackend());
        AssertSameSets(torch, times, 640);
    }

    [Fact]
    public void A_model_leaves_no_tensor_behind()
    {
        long before = Tensor.TotalCount;
        _ = Greedy(SharedFiles.EmbeddedModel, new TorchBackend());
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>Evicts from a prompt on a back end and on the processor.</summary>
    internal static void AssertSameSets(LoadedModel torch, int times, int tokens)
    {
        int[] prompt = [.. Enumerable.Range(0, tokens).Select(i => 5 + (i * 37 % 1900))];
        using LoadedModel cpu = Load(SharedFiles.EmbeddedModel, new CpuBackend(new CpuBackendOptions { Activations = ActivationPrecision.Float32 }));
        using StepRunner here = Observed(cpu, prompt), there = Observed(torch, prompt);
        float[] scores = Scores(cpu, here, prompt.Length), theirs = Scores(torch, there, prompt.Length);
        for (int i = 0; i < scores.Length; i++)
            Assert.Equal(scores[i], theirs[i], (1e-3f * Math.Abs(scores[i])) + 1e-6f);

        var keep = new bool[scores.Length];
        int heads = cpu.Configuration.TotalKvHeads;
        new GlobalPageEviction().Allocate(
            new SelectionInput
            {
                KvHeads = cpu.Configuration.KvHeads, PageTokens = 16, Lengths = [.. Enumerable.Repeat(prompt.Length, heads)], Scores = scores,
                AllowedPages = heads * prompt.Length / 16 / times, FloorKvs = 0,
            },
            keep);
        Assert.True(here.Cache(0).TryEvict(keep) && there.Cache(0).TryEvict(keep));
        Assert.InRange(keep.Count(static k => k), 1, scores.Length / times);
        foreach ((int layer, int head) in Heads(cpu))
            Assert.Equal(Positions(here, layer, head), Positions(there, layer, head));
    }

    internal static LoadedModel Load(string path, IComputeBackend backend)
    {
        using GgufFile file = GgufFile.Open(path);
        return LoadedModel.Load(file, "model", backend);
    }

    private static IEnumerable<(int Layer, int Head)> Heads(LoadedModel model) =>
        from layer in Enumerable.Range(0, model.Configuration.Layers) from head in Enumerable.Range(0, model.Configuration.KvHeads) select (layer, head);

    private static StepRunner Observed(LoadedModel model, int[] prompt)
    {
        var runner = new StepRunner(model.Transformer, 1, prompt.Length, prompt.Length, 1, KvFormat.F32);
        runner.Read(0, prompt, logits: 1, new ObservedRows(32, 7));
        return runner;
    }

    private static float[] Scores(LoadedModel model, StepRunner runner, int tokens)
    {
        var scores = new float[model.Configuration.TotalKvHeads * tokens];
        int at = 0;
        foreach ((int layer, int head) in Heads(model))
            runner.Cache(0).ReadScores(layer, head, scores.AsSpan(tokens * at++, tokens));
        return scores;
    }

    private static int[] Positions(StepRunner runner, int layer, int head)
    {
        var positions = new int[runner.Cache(0).Table(layer, head).Length];
        runner.Cache(0).ReadPositions(layer, head, positions);
        return positions;
    }

    private static string File(string model) => Directory.GetFiles(SharedFiles.PathOf($"models/{model}"), "*q8_0.gguf") is [string only, ..]
        ? only
        : Directory.GetFiles(SharedFiles.PathOf($"models/{model}"), "*.gguf").Order(StringComparer.Ordinal).First();

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>The most probable tokens behind a prompt.</summary>
    internal static int[] Greedy(string path, IComputeBackend backend)
    {
        using LoadedModel model = Load(path, backend);
        int[] prompt = [.. model.Tokenizer.Encode("The gate code of the Dushus mill is 1202-1238. The serial number of the Quabran pump is 137-QR. The gate code of", allowSpecial: false).Ids];
        using var runner = new StepRunner(model.Transformer, 1, prompt.Length + 24, prompt.Length, 1, KvFormat.F32);
        float[] logits = new float[model.Configuration.VocabularySize];
        int[] tokens = new int[24];
        runner.Read(0, prompt, logits: 1);
        for (int i = 0; i < tokens.Length; i++)
        {
            runner.ReadLogits(0, logits);
            tokens[i] = Array.IndexOf(logits, logits.Max());
            runner.Read(0, tokens.AsSpan(i, 1), logits: 1);
        }

        return tokens;
    }
}
