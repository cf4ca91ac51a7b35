using System.Runtime.InteropServices;
using KvChat.Kernels.Quantization;

namespace KvChat.TestSupport;

/// <summary>Random models of every family in any size, as GGUF files under the names of llama.cpp's: for tests of shapes that no reference answers are there for, and for benchmarks.</summary>
public sealed class RandomFamily
{
    private readonly GgufWriter _writer = new();
    private readonly string _name, _architecture;
    private readonly FamilyShape _shape;
    private readonly WeightFormat _format;
    private readonly Random _random;
    private readonly Dictionary<string, float[]> _values = [];

    private RandomFamily(string name, FamilyShape shape, WeightFormat format)
    {
        (_name, _shape, _format) = (name, shape, format);
        _architecture = name switch { "llama-biases" or "mistral" => "llama", "phi3-longrope" => "phi3", _ => name };
        _random = new Random(shape.Seed);
    }

    /// <summary>What <see cref="Write"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["llama", "llama-biases", "mistral", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "phi3-longrope", "smollm3", "olmo2", "granite"];

    /// <summary>Parameters that a token goes through, the embedding (which is also the output head) included; of experts those that it is sent to.</summary>
    public long ActiveParameters { get; private set; }

    /// <summary>All parameters.</summary>
    public long Parameters { get; private set; }

    /// <summary>Values of the tensors in F32, by their names in the file.</summary>
    public IReadOnlyDictionary<string, float[]> Values => _values;

    /// <summary>The file's bytes.</summary>
    public byte[] File { get; private set; } = [];

    private bool IsGemma => _architecture is "gemma2" or "gemma3";

    /// <summary>Makes a model.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="shape">Its size.</param>
    /// <param name="format">Of the matrices: F32 or Q8_0.</param>
    public static RandomFamily Write(string name, FamilyShape shape, WeightFormat format = WeightFormat.F32)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var family = new RandomFamily(name, shape, format);
        family.Metadata();
        family.Matrix("token_embd", shape.Vocabulary, shape.Width);
        family.Norm("output_norm", shape.Width);
        for (int i = 0; i < shape.Layers; i++)
            family.Layer($"blk.{i}.");
        family.File = family._writer.ToArray();
        return family;
    }

    private void Metadata()
    {
        FamilyShape s = _shape;
        _writer.Add("general.architecture", _architecture);
        foreach ((string key, int value) in (ReadOnlySpan<(string, int)>)[("embedding_length", s.Width), ("block_count", s.Layers), ("feed_forward_length", s.Hidden),
            ("attention.head_count", s.Heads), ("attention.head_count_kv", s.KvHeads), ("attention.key_length", s.HeadDim), ("attention.value_length", s.HeadDim), ("context_length", s.Context)])
            Say(key, value);
        Say("attention.layer_norm_rms_epsilon", 1e-6f);
        Say("rope.freq_base", _architecture == "gemma3" ? 1_000_000f : 10_000f);
        if (IsGemma || _name == "mistral")
            Say("attention.sliding_window", s.Window);
        if (_architecture == "qwen3moe")
        {
            Say("expert_count", s.Experts);
            Say("expert_used_count", s.ExpertsPerToken);
            Say("expert_feed_forward_length", s.Hidden / s.ExpertsPerToken);
        }
        else if (_architecture == "gemma2")
        {
            Say("attn_logit_softcapping", 50f);
            Say("final_logit_softcapping", 30f);
        }
        else if (_architecture == "granite")
        {
            Say("embedding_scale", 12f);
            Say("residual_scale", 0.22f);
            Say("attention.scale", 1f / s.HeadDim);
            Say("logit_scale", 8f);
        }

        if (_name == "phi3-longrope")
            LongRope();
    }

    private void LongRope()
    {
        Say("rope.scaling.original_context_length", _shape.Context / 4);
        Say("rope.scaling.attn_factor", 1.1f);
        AddFloats("rope_factors_short.weight", [.. Enumerable.Range(0, _shape.HeadDim / 2).Select(i => 1 + (0.01f * i))], _shape.HeadDim / 2);
        AddFloats("rope_factors_long.weight", [.. Enumerable.Range(0, _shape.HeadDim / 2).Select(i => 1 + (0.1f * i))], _shape.HeadDim / 2);
    }

    private void Say(string key, object value) => _writer.Add($"{_architecture}.{key}", value);

    private void Layer(string layer)
    {
        FamilyShape s = _shape;
        int queries = s.Heads * s.HeadDim, keys = s.KvHeads * s.HeadDim;
        bool isAfter = _architecture == "olmo2";
        if (!isAfter)
            Norm(layer + "attn_norm", s.Width);
        if (_architecture == "phi3")
        {
            Matrix(layer + "attn_qkv", queries + (2 * keys), s.Width);
        }
        else
        {
            Matrix(layer + "attn_q", queries, s.Width);
            Matrix(layer + "attn_k", keys, s.Width);
            Matrix(layer + "attn_v", keys, s.Width);
        }

        Matrix(layer + "attn_output", s.Width, queries);
        if (_name is "llama-biases" or "qwen2")
            Biases(layer, queries, keys);
        if (_architecture is "qwen3" or "qwen3moe" or "gemma3" or "olmo2")
        {
            Norm(layer + "attn_q_norm", isAfter ? queries : s.HeadDim);
            Norm(layer + "attn_k_norm", isAfter ? keys : s.HeadDim);
        }

        if (IsGemma || isAfter)
        {
            Norm(layer + "post_attention_norm", s.Width);
            Norm(layer + "post_ffw_norm", s.Width);
        }

        if (!isAfter)
            Norm(layer + "ffn_norm", s.Width);
        FeedForward(layer);
    }

    private void Biases(string layer, int queries, int keys)
    {
        Vector(layer + "attn_q.bias", queries, 0);
        Vector(layer + "attn_k.bias", keys, 0);
        Vector(layer + "attn_v.bias", keys, 0);
        if (_name == "llama-biases")
            Vector(layer + "attn_output.bias", _shape.Width, 0);
    }

    private void FeedForward(string layer)
    {
        FamilyShape s = _shape;
        if (_architecture == "qwen3moe")
        {
            int width = s.Hidden / s.ExpertsPerToken;
            Matrix(layer + "ffn_gate_inp", s.Experts, s.Width, WeightFormat.F32);
            Matrix(layer + "ffn_gate_exps", width, s.Width, _format, s.Experts);
            Matrix(layer + "ffn_up_exps", width, s.Width, _format, s.Experts);
            Matrix(layer + "ffn_down_exps", s.Width, width, _format, s.Experts);
            return;
        }

        if (_architecture != "phi3")
            Matrix(layer + "ffn_gate", s.Hidden, s.Width);
        Matrix(layer + "ffn_up", _architecture == "phi3" ? 2 * s.Hidden : s.Hidden, s.Width);
        Matrix(layer + "ffn_down", s.Width, s.Hidden);
    }

    private void Norm(string name, int length) => Vector(name + ".weight", length, 1);

    private void Vector(string name, int length, float around)
    {
        Parameters += length;
        ActiveParameters += length;
        AddFloats(name, [.. Enumerable.Range(0, length).Select(_ => around + (0.4f * (_random.NextSingle() - 0.5f)))], length);
    }

    private void Matrix(string name, int rows, int columns) => Matrix(name, rows, columns, _format);

    private void Matrix(string name, int rows, int columns, WeightFormat format, int experts = 1)
    {
        long count = (long)experts * rows * columns;
        Parameters += count;
        ActiveParameters += experts == 1 ? count : count / experts * _shape.ExpertsPerToken;
        bool isEmbedding = name == "token_embd" && !IsGemma && _architecture != "granite";
        float spread = isEmbedding ? 1 : 1.7f / MathF.Sqrt(columns); // of a uniform distribution: the products keep the size of what goes in
        long[] dimensions = experts == 1 ? [columns, rows] : [columns, rows, experts];
        if (format == WeightFormat.Q8_0)
            _writer.AddTensor(name + ".weight", format, Codes((int)count, spread), dimensions);
        else if (format == WeightFormat.F32)
            AddFloats(name + ".weight", Floats((int)count, spread), dimensions);
        else
            throw new ArgumentOutOfRangeException(nameof(format), format, "Random models are written in F32 and Q8_0.");
    }

    private void AddFloats(string name, float[] values, params long[] dimensions)
    {
        _values[name] = values;
        _writer.AddTensor(name, WeightFormat.F32, values, dimensions);
    }

    private float[] Floats(int count, float spread)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = ((2 * _random.NextSingle()) - 1) * spread;
        return values;
    }

    /// <summary>Blocks of one scale and 32 random codes: quantising a hundred million floats would take longer than measuring them.</summary>
    private byte[] Codes(int count, float spread)
    {
        const int Block = 34;
        var bytes = new byte[count / 32 * Block];
        _random.NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += Block)
            MemoryMarshal.Write(bytes.AsSpan(at), (Half)(spread / 128));
        return bytes;
    }
}
