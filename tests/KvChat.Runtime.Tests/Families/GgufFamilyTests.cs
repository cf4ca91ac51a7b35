using System.Text.Json;
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
    private const float Tolerance = 2e-3f;

    [SharedTheory("golden/architectures/granite/golden.safetensors")]
    [InlineData("llama", "llama")]
    [InlineData("llama-biases", "llama")]
    [InlineData("llama-linear-rope", "llama")]
    [InlineData("mistral-window", "llama")]
    [InlineData("qwen2", "qwen2")]
    [InlineData("qwen3", "qwen3")]
    [InlineData("granite", "granite")]
    public void Logits_and_greedy_tokens_equal_the_reference(string folder, string family)
    {
        string path = SharedFiles.PathOf($"golden/architectures/{folder}");
        using GgufFile file = GgufFile.Open(FamilyGguf.Write(path, family));
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        using CpuBackend backend = RandomModel.Backend();
        using var model = TransformerModel.Load(
            configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, GgufConfiguration.HasPairedRows(configuration.Architecture));
        SafetensorsFile golden = SafetensorsFile.Open(Path.Combine(path, "golden.safetensors"));
        for (int n = 0; golden.Contains($"ids.{n}"); n++)
        {
            int[] ids = golden.Ints($"ids.{n}"), greedy = golden.Ints($"greedy.{n}"), top = golden.Ints($"top1.{n}");
            float[][] logits = Run(model, [.. ids, .. greedy]);
            float[] expected = golden.Floats($"logits.{n}");
            int rows = expected.Length / configuration.VocabularySize, first = ids.Length - rows;
            for (int i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], logits[first + (i / configuration.VocabularySize)][i % configuration.VocabularySize], Tolerance);
            for (int i = 0; i < ids.Length; i++)
                AssertTop(top[i], logits[i]);
            for (int i = 0; i < greedy.Length; i++)
                AssertTop(greedy[i], logits[ids.Length - 1 + i]);
        }
    }

    /// <summary>The reference's token is the best, or as good as the best within the tolerance of both.</summary>
    private static void AssertTop(int token, float[] logits) => Assert.True(logits[token] >= logits.Max() - (2 * Tolerance));

    private static float[][] Run(TransformerModel model, int[] ids)
    {
        TransformerConfiguration c = model.Configuration;
        using KvArena arena = model.Backend.CreateArena(new KvArenaShape(c.HeadDim, 16, 1024));
        using var cache = new SequenceCache(new PagePool(arena), c.Layers, c.KvHeads, KvFormat.F32);
        using var pass = new ForwardPass(model, arena, ids.Length, ids.Length);
        Assert.True(cache.TryReserve(ids.Length));
        int[] rows = [.. Enumerable.Range(0, ids.Length)];
        var batch = new KvBatch
        {
            Sequences = [new SequenceSlice { FirstRow = 0, RowCount = ids.Length, Format = KvFormat.F32 }],
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

/// <summary>Writes a folder in the Hugging Face layout as GGUF, under the names and in the row order of llama.cpp's files.</summary>
internal static class FamilyGguf
{
    private static readonly (string Theirs, string Ours)[] Names =
    [
        ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"), ("model.layers.", "blk."), ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"), ("post_attention_layernorm", "ffn_norm"), ("input_layernorm", "attn_norm"),
    ];

    public static byte[] Write(string folder, string family)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        JsonElement config = document.RootElement;
        var writer = new GgufWriter().Add("general.architecture", family);
        void Number(string key, string name)
        {
            if (config.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number)
                writer.Add($"{family}.{key}", value.GetInt32());
        }

        void Float(string key, float value) => writer.Add($"{family}.{key}", value);
        foreach ((string key, string name) in (ReadOnlySpan<(string, string)>)[("embedding_length", "hidden_size"), ("block_count", "num_hidden_layers"),
            ("feed_forward_length", "intermediate_size"), ("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_key_value_heads"),
            ("context_length", "max_position_embeddings"), ("attention.sliding_window", "sliding_window")])
            Number(key, name);
        Float("attention.layer_norm_rms_epsilon", config.GetProperty("rms_norm_eps").GetSingle());
        JsonElement rope = config.GetProperty("rope_parameters");
        Float("rope.freq_base", rope.GetProperty("rope_theta").GetSingle());
        if (rope.GetProperty("rope_type").GetString() == "linear")
        {
            writer.Add($"{family}.rope.scaling.type", "linear");
            Float("rope.scaling.factor", rope.GetProperty("factor").GetSingle());
        }

        foreach ((string key, string name) in (ReadOnlySpan<(string, string)>)[("embedding_scale", "embedding_multiplier"),
            ("residual_scale", "residual_multiplier"), ("attention.scale", "attention_multiplier"), ("logit_scale", "logits_scaling")])
        {
            if (config.TryGetProperty(name, out JsonElement value))
                Float(key, value.GetSingle());
        }

        Tensors(writer, SafetensorsFile.Open(Path.Combine(folder, "model.safetensors")), GgufConfiguration.HasPairedRows(family), 16);
        return writer.ToArray();
    }

    private static void Tensors(GgufWriter writer, SafetensorsFile file, bool paired, int headDim)
    {
        foreach (SafetensorsArray array in file.Arrays.Values)
        {
            float[] values = file.Floats(array.Name);
            string name = Names.Aggregate(array.Name, (text, pair) => text.Replace(pair.Theirs, pair.Ours, StringComparison.Ordinal));
            if (paired && (name.Contains("attn_q.", StringComparison.Ordinal) || name.Contains("attn_k.", StringComparison.Ordinal)))
                values = Pair(values, array.Shape[0], headDim);
            writer.AddTensor(name, WeightFormat.F32, values, [.. array.Shape.Reverse().Select(size => (long)size)]);
        }
    }

    /// <summary>Brings rows i and i + d/2 of a head side by side.</summary>
    private static float[] Pair(float[] values, int rows, int headDim)
    {
        int columns = values.Length / rows;
        var result = new float[values.Length];
        for (int row = 0; row < rows; row++)
        {
            int at = row % headDim, from = row - at + (at / 2) + (at % 2 * headDim / 2);
            Array.Copy(values, from * columns, result, row * columns, columns);
        }

        return result;
    }
}
