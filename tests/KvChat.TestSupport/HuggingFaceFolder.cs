using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using KvChat.Runtime.Models.Gguf;

namespace KvChat.TestSupport;

/// <summary>Writes a GGUF file of the llama family as a folder in the Hugging Face layout, weights in F32 or F16. For tests: files are trusted and small.</summary>
public static class HuggingFaceFolder
{
    private static readonly (string Ours, string Theirs)[] Names =
    [
        ("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm"), ("attn_output", "self_attn.o_proj"),
        ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"), ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"), ("blk.", "model.layers."),
    ];

    /// <summary>Writes the folder.</summary>
    /// <param name="gguf">The file.</param>
    /// <param name="folder">A folder that is there.</param>
    /// <param name="stop">Text of the token that ends a reply.</param>
    /// <param name="shards">How many files the weights are split into.</param>
    /// <param name="type">Type of the matrices: F32 or F16.</param>
    public static void Write(string gguf, string folder, string stop, int shards = 1, string type = "F32")
    {
        using GgufFile file = GgufFile.Open(gguf);
        JsonObject config = Config(file);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        string[] tokens = file.Metadata.GetStringArray("tokenizer.ggml.tokens");
        _ = file.Metadata.TryGetInt32Array("tokenizer.ggml.token_type", out int[]? kinds);
        JsonObject tokenizer = TokenizerJsonImage.ByteLevel(tokens, kinds, file.Metadata.GetStringArray("tokenizer.ggml.merges"));
        JsonNode byteLevel = tokenizer["pre_tokenizer"]!.DeepClone();
        tokenizer["pre_tokenizer"] = new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, byteLevel) };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), new JsonObject { ["eos_token"] = stop }.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), new JsonObject { ["eos_token_id"] = new JsonArray(Array.IndexOf(tokens, stop)) }.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), file.Metadata.GetString("tokenizer.chat_template"));
        string whole = Path.Combine(folder, "model.safetensors");
        File.WriteAllBytes(whole, SafetensorsImage.Write(file.Tensors.Values.Select(t => Convert(t, (int)config["head_dim"]!, type))));
        if (shards > 1)
        {
            SafetensorsImage.Shard(whole, folder, shards);
            File.Delete(whole);
        }
    }

    private static JsonObject Config(GgufFile file)
    {
        int Number(string name) => file.Metadata.GetInt32($"llama.{name}");
        float Single(string name) => file.Metadata.GetSingle($"llama.{name}");
        int width = Number("embedding_length"), heads = Number("attention.head_count");
        return new JsonObject
        {
            ["model_type"] = "llama", ["hidden_size"] = width, ["intermediate_size"] = Number("feed_forward_length"), ["num_hidden_layers"] = Number("block_count"),
            ["num_attention_heads"] = heads, ["num_key_value_heads"] = Number("attention.head_count_kv"), ["head_dim"] = file.Metadata.TryGetInt32("llama.attention.key_length", out int headDim) ? headDim : width / heads,
            ["max_position_embeddings"] = Number("context_length"), ["rms_norm_eps"] = Single("attention.layer_norm_rms_epsilon"), ["rope_theta"] = Single("rope.freq_base"),
            ["tie_word_embeddings"] = !file.TryGetTensor("output.weight", out _), ["hidden_act"] = "silu",
        };
    }

    private static SafetensorsArray Convert(GgufTensor tensor, int headDim, string type)
    {
        string name = Names.Aggregate(tensor.Name, (text, pair) => text.Replace(pair.Ours, pair.Theirs, StringComparison.Ordinal));
        if (tensor.Name == "output.weight")
            name = "lm_head.weight";
        float[] values = tensor.ToFloats();
        if (tensor.Name.Contains("attn_q.", StringComparison.Ordinal) || tensor.Name.Contains("attn_k.", StringComparison.Ordinal))
            values = Part(values, tensor.Columns, headDim);
        int[] shape = [.. tensor.Dimensions.Reverse().Select(d => int.CreateChecked(d))];
        return type == "F16" && shape.Length == 2
            ? new SafetensorsArray(name, type, shape, MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, x => (Half)x)).ToArray())
            : new SafetensorsArray(name, "F32", shape, MemoryMarshal.AsBytes<float>(values).ToArray());
    }

    /// <summary>Brings rows that lie side by side in a GGUF file of this family half a head apart.</summary>
    private static float[] Part(float[] values, int columns, int headDim)
    {
        var result = new float[values.Length];
        for (int row = 0; row < values.Length / columns; row++)
        {
            int at = row % headDim, to = row - at + (at / 2) + (at % 2 * headDim / 2);
            Array.Copy(values, row * columns, result, to * columns, columns);
        }

        return result;
    }
}
