using System.Text.Json;
using KvChat.Kernels.Quantization;

namespace KvChat.TestSupport;

/// <summary>
/// Writes a folder in the Hugging Face layout as GGUF, under the names, in the row order and with the shifted norms of llama.cpp's files. For tests: folders are trusted
/// and small.
/// </summary>
public static class FamilyGguf
{
    private static readonly (string Theirs, string Ours)[] Names =
    [
        ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"), ("model.layers.", "blk."), ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"),
        ("self_attn.qkv_proj", "attn_qkv"), ("mlp.gate_up_proj", "ffn_up"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"),
        ("mlp.gate.", "ffn_gate_inp."), ("pre_feedforward_layernorm", "ffn_norm"), ("post_feedforward_layernorm", "post_ffw_norm"), ("input_layernorm", "attn_norm"),
    ];

    /// <summary>The folders of the reference answers, and what a GGUF file of each calls its architecture.</summary>
    public static IReadOnlyList<(string Folder, string Family)> Folders { get; } =
    [
        ("llama", "llama"), ("llama-3-rope", "llama"), ("llama-linear-rope", "llama"), ("llama-yarn", "llama"), ("llama-biases", "llama"), ("mistral-window", "llama"),
        ("qwen2", "qwen2"), ("qwen3", "qwen3"), ("qwen3-moe", "qwen3moe"), ("gemma-2", "gemma2"), ("gemma-3", "gemma3"), ("phi-3", "phi3"), ("phi-3-longrope", "phi3"),
        ("smollm3", "smollm3"), ("olmo-2", "olmo2"), ("granite", "granite"),
    ];

    /// <summary>The file's bytes.</summary>
    /// <param name="folder">Where config.json and model.safetensors are.</param>
    /// <param name="family">What the file calls its architecture.</param>
    /// <param name="format">Format of the matrices; those whose rows are no whole number of blocks are stored as F16, as quantising tools do.</param>
    public static byte[] Write(string folder, string family, WeightFormat format = WeightFormat.F32)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        JsonElement config = document.RootElement;
        var writer = new GgufWriter().Add("general.architecture", family);
        int headDim = Metadata(writer, family, config);
        Rotary(writer, family, config, headDim);
        Tensors(writer, SafetensorsFile.Open(Path.Combine(folder, "model.safetensors")), family, headDim, format);
        return writer.ToArray();
    }

    private static int Metadata(GgufWriter writer, string family, JsonElement config)
    {
        foreach ((string key, string name) in (ReadOnlySpan<(string, string)>)[("embedding_length", "hidden_size"), ("block_count", "num_hidden_layers"),
            ("feed_forward_length", "intermediate_size"), ("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_key_value_heads"),
            ("context_length", "max_position_embeddings"), ("attention.sliding_window", "sliding_window"), ("attention.key_length", "head_dim"), ("attention.value_length", "head_dim"),
            ("expert_count", "num_local_experts"), ("expert_count", "num_experts"), ("expert_used_count", "num_experts_per_tok"), ("expert_feed_forward_length", "moe_intermediate_size")])
        {
            if (Number(config, name) is { } value)
                writer.Add($"{family}.{key}", (int)value);
        }

        foreach ((string key, string name) in (ReadOnlySpan<(string, string)>)[("embedding_scale", "embedding_multiplier"), ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
            ("residual_scale", "residual_multiplier"), ("attention.scale", "attention_multiplier"), ("logit_scale", "logits_scaling"),
            ("attn_logit_softcapping", "attn_logit_softcapping"), ("final_logit_softcapping", "final_logit_softcapping")])
        {
            if (Number(config, name) is { } value)
                writer.Add($"{family}.{key}", (float)value);
        }

        return (int)(Number(config, "head_dim") ?? (Number(config, "hidden_size") / Number(config, "num_attention_heads")))!;
    }

    private static void Rotary(GgufWriter writer, string family, JsonElement config, int headDim)
    {
        JsonElement rope = config.GetProperty("rope_parameters");
        if (rope.TryGetProperty("full_attention", out JsonElement full))
        {
            writer.Add($"{family}.rope.freq_base_swa", (float)Number(rope.GetProperty("sliding_attention"), "rope_theta")!);
            rope = full;
        }

        writer.Add($"{family}.rope.freq_base", (float)Number(rope, "rope_theta")!);
        if (Number(rope, "original_max_position_embeddings") is { } original)
            writer.Add($"{family}.rope.scaling.original_context_length", (int)original);
        string kind = rope.GetProperty("rope_type").GetString()!;
        if (kind is "linear" or "yarn")
        {
            writer.Add($"{family}.rope.scaling.type", kind);
            writer.Add($"{family}.rope.scaling.factor", (float)Number(rope, "factor")!);
        }
        else if (kind == "llama3")
        {
            writer.AddTensor("rope_freqs.weight", WeightFormat.F32, Llama3Divisors(rope, headDim), headDim / 2);
        }
        else if (kind == "longrope")
        {
            foreach (string which in (string[])["long", "short"])
            {
                float[] divisors = [.. rope.GetProperty($"{which}_factor").EnumerateArray().Select(v => v.GetSingle())];
                writer.AddTensor($"rope_factors_{which}.weight", WeightFormat.F32, divisors, divisors.Length);
            }

            double stretch = Number(config, "max_position_embeddings")!.Value / Number(rope, "original_max_position_embeddings")!.Value;
            writer.Add($"{family}.rope.scaling.attn_factor", (float)Math.Sqrt(1 + (Math.Log(stretch) / Math.Log(Number(rope, "original_max_position_embeddings")!.Value))));
        }
    }

    /// <summary>As the converter computes them, apart from the code under test.</summary>
    private static float[] Llama3Divisors(JsonElement rope, int headDim)
    {
        double factor = Number(rope, "factor")!.Value, low = Number(rope, "low_freq_factor")!.Value, high = Number(rope, "high_freq_factor")!.Value;
        double original = Number(rope, "original_max_position_embeddings")!.Value, theta = Number(rope, "rope_theta")!.Value;
        var divisors = new float[headDim / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            double wave = 2 * Math.PI * Math.Pow(theta, 2.0 * i / headDim), share = ((original / wave) - low) / (high - low);
            divisors[i] = (float)(wave < original / high ? 1 : wave > original / low ? factor : 1 / (((1 - share) / factor) + share));
        }

        return divisors;
    }

    private static double? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static void Tensors(GgufWriter writer, SafetensorsFile file, string family, int headDim, WeightFormat format)
    {
        bool paired = family is "llama" or "granite" or "smollm3", shifted = family is "gemma2" or "gemma3";
        string behindAttention = family is "gemma2" or "gemma3" or "olmo2" ? "post_attention_norm" : "ffn_norm";
        foreach (SafetensorsArray array in file.Arrays.Values.Where(a => !a.Name.Contains(".experts.", StringComparison.Ordinal)))
        {
            float[] values = file.Floats(array.Name);
            string name = Names.Aggregate(array.Name, (text, pair) => text.Replace(pair.Theirs, pair.Ours, StringComparison.Ordinal))
                .Replace("post_attention_layernorm", behindAttention, StringComparison.Ordinal);
            if (paired && (name.Contains("attn_q.", StringComparison.Ordinal) || name.Contains("attn_k.", StringComparison.Ordinal)))
                values = Pair(values, array.Shape[0], headDim);
            if (shifted && name.EndsWith("norm.weight", StringComparison.Ordinal))
                values = [.. values.Select(v => v + 1)];
            Add(writer, name, array.Shape.Count == 1 ? WeightFormat.F32 : format, values, [.. array.Shape.Reverse().Select(size => (long)size)]);
        }

        foreach (IGrouping<(string Layer, string Kind), SafetensorsArray> stack in file.Arrays.Values.Where(a => a.Name.Contains(".experts.", StringComparison.Ordinal))
            .GroupBy(a => (a.Name.Split('.')[2], a.Name.Split('.')[6])))
        {
            SafetensorsArray[] experts = [.. stack.OrderBy(a => int.Parse(a.Name.Split('.')[5], System.Globalization.CultureInfo.InvariantCulture))];
            float[] values = [.. experts.SelectMany(a => file.Floats(a.Name))];
            string kind = stack.Key.Kind.Replace("_proj", "_exps", StringComparison.Ordinal);
            Add(writer, $"blk.{stack.Key.Layer}.ffn_{kind}.weight", format, values, experts[0].Shape[1], experts[0].Shape[0], experts.Length);
        }
    }

    private static void Add(GgufWriter writer, string name, WeightFormat format, float[] values, params long[] dimensions) =>
        writer.AddTensor(name, dimensions[0] % WeightFormats.BlockSize(format) == 0 ? format : WeightFormat.F16, values, dimensions);

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
