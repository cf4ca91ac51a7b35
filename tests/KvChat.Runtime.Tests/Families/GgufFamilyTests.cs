using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Families;

/// <summary>Tiny models of several families, written as GGUF in F32, against the logits that transformers computed of them.</summary>
public sealed class GgufFamilyTests
{
    internal const float Tolerance = 2e-3f;

    public static IEnumerable<object[]> Folders => FamilyGguf.Folders.Select(f => new object[] { f.Folder, f.Family });

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void Logits_and_greedy_tokens_equal_the_reference(string folder, string family)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using GgufFile file = GgufFile.Open(FamilyGguf.Write(path, family));
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        using CpuBackend backend = RandomModel.Backend();
        using var model = TransformerModel.Load(
            configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(configuration.Architecture));
        AssertEqualsReference(model, path);
    }

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [MemberData(nameof(Folders))]
    public void Weights_in_8_bits_give_nearly_the_same_logits(string folder, string family)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using GgufFile file = GgufFile.Open(FamilyGguf.Write(path, family, WeightFormat.Q8_0));
        using CpuBackend backend = RandomModel.Backend();
        using var model = TransformerModel.Load(
            GgufConfiguration.Read(file), TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(family));
        SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(path, "golden.safetensors"));
        for (int n = 0; n < 3; n++)
        {
            float[][] logits = Run(model, golden.Ints($"ids.{n}"));
            float[] expected = golden.Floats($"logits.{n}");
            float[] actual = [.. logits[^(expected.Length / model.Configuration.VocabularySize)..].SelectMany(row => row)];
            double error = Math.Sqrt(expected.Zip(actual).Average(p => Math.Pow(p.First - p.Second, 2))), size = Math.Sqrt(expected.Average(v => v * v));
            Assert.True(error < 0.12 * size, $"{folder}, sequence {n}: logits of {size:f3} differ by {error:f4}");
        }
    }

    /// <summary>Logits, the best token of every position, and greedy decoding as the folder's reference has them.</summary>
    internal static void AssertEqualsReference(TransformerModel model, string path)
    {
        SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(path, "golden.safetensors"));
        int vocabulary = model.Configuration.VocabularySize;
        for (int n = 0; golden.Contains($"ids.{n}"); n++)
        {
            int[] ids = golden.Ints($"ids.{n}"), greedy = golden.Ints($"greedy.{n}"), top = golden.Ints($"top1.{n}");
            float[][] logits = Run(model, ids);
            float[] expected = golden.Floats($"logits.{n}");
            int rows = expected.Length / vocabulary, first = ids.Length - rows;
            for (int i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], logits[first + (i / vocabulary)][i % vocabulary], Tolerance);
            for (int i = 0; i < ids.Length; i++)
                AssertTop(top[i], logits[i]);
            for (int i = 0; i < greedy.Length; i++)
                AssertTop(greedy[i], Run(model, [.. ids, .. greedy[..i]])[^1]);
        }
    }

    /// <summary>The reference's token is the best, or as good as the best within the tolerance of both.</summary>
    private static void AssertTop(int token, float[] logits) => Assert.True(logits[token] >= logits.Max() - (2 * Tolerance));

    internal static float[][] Run(TransformerModel model, int[] ids)
    {
        TransformerConfiguration c = model.Configuration;
        using KvArena arena = model.Backend.CreateArena(new KvArenaShape(c.HeadDim, 16, 1024));
        using var cache = new SequenceCache(new PagePool(arena), c.Layers, c.KvHeads, KvFormat.F32);
        using var pass = new ForwardPass(model, arena, ids.Length, ids.Length);
        Assert.True(cache.TryReserve(ids.Length));
        int[] rows = [.. Enumerable.Range(0, ids.Length)];
        var batch = new KvBatch
        {
            Sequences = [new SequenceSlice { FirstRow = 0, RowCount = ids.Length, Format = KvFormat.F32, UsesLongRotary = ids.Length > c.ShortRotaryTokens }],
            SequenceCount = 1,
            Positions = rows,
            RowCount = ids.Length,
            Heads = new HeadView[c.KvHeads],
        };
        pass.Run(batch, [cache], ids, rows);
        var logits = new float[ids.Length][];
        for (int i = 0; i < logits.Length; i++)
            pass.ReadLogits(i, logits[i] = new float[c.VocabularySize]);
        return logits;
    }
}
