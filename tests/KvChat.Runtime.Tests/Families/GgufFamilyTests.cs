using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;
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
            float[][] logits = WholeSequence.Logits(model, golden.Ints($"ids.{n}"));
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
            float[][] logits = WholeSequence.Logits(model, ids);
            float[] expected = golden.Floats($"logits.{n}");
            int rows = expected.Length / vocabulary, first = ids.Length - rows;
            for (int i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], logits[first + (i / vocabulary)][i % vocabulary], Tolerance);
            for (int i = 0; i < ids.Length; i++)
                AssertTop(top[i], logits[i]);
            for (int i = 0; i < greedy.Length; i++)
                AssertTop(greedy[i], WholeSequence.Logits(model, [.. ids, .. greedy[..i]])[^1]);
        }
    }

    /// <summary>The reference's token is the best, or as good as the best within the tolerance of both.</summary>
    private static void AssertTop(int token, float[] logits) => Assert.True(logits[token] >= logits.Max() - (2 * Tolerance));
}
