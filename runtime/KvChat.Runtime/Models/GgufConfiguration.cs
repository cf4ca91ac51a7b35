using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models;

/// <summary>Reads a model's shape from the metadata of a GGUF file.</summary>
public static class GgufConfiguration
{
    private const int MaxLayers = 4096, MaxWidth = 1 << 20, MaxHeads = 1 << 14, MaxContext = 1 << 24;

    /// <summary>Families that are known, as <c>general.architecture</c> names them.</summary>
    public static IReadOnlyList<string> Architectures { get; } = ["llama", "qwen2", "qwen3", "granite"];

    /// <summary>Whether a family's query and key rows keep their rotary pairs side by side; the others keep halves.</summary>
    internal static bool HasPairedRows(string family) => family is "llama" or "granite";

    /// <summary>Reads and checks the shape.</summary>
    /// <param name="file">The open file.</param>
    /// <exception cref="ModelFileException">The family is not known, or a field is missing or out of its range.</exception>
    public static TransformerConfiguration Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufMetadata metadata = file.Metadata;
        string family = metadata.GetString("general.architecture");
        if (!Architectures.Contains(family))
            throw new ModelFileException("general.architecture", null, $"is '{ModelFileException.Printable(family)}'; known are: {string.Join(", ", Architectures)}.");
        var fields = new Fields(metadata, family);
        if (fields.Optional("expert_count", 0, 0, MaxHeads) > 0)
            throw new ModelFileException($"{family}.expert_count", null, "is not 0; models with experts are not supported.");
        int width = fields.Required("embedding_length", 1, MaxWidth), heads = fields.Required("attention.head_count", 1, MaxHeads);
        int headDim = fields.Optional("attention.key_length", width / heads, 2, 1024);
        if (fields.Optional("attention.value_length", headDim, 2, 1024) != headDim)
            throw fields.Error("attention.value_length", $"differs from attention.key_length {headDim}; they must be equal.");
        int kvHeads = fields.Optional("attention.head_count_kv", heads, 1, heads);
        if (heads % kvHeads != 0)
            throw fields.Error("attention.head_count_kv", $"is {kvHeads}; it must divide attention.head_count {heads}.");
        if (headDim % 8 != 0)
            throw fields.Error("attention.key_length", $"is {headDim}; it must be a multiple of 8.");
        int rotary = fields.Optional("rope.dimension_count", headDim, 2, headDim);
        if (rotary % 2 != 0)
            throw fields.Error("rope.dimension_count", $"is {rotary}; it must be even.");
        return new TransformerConfiguration
        {
            Architecture = family,
            PerLayer = LayerConfiguration.Alike(
                fields.Required("block_count", 1, MaxLayers), new LayerConfiguration { SlidingWindow = fields.Optional("attention.sliding_window", 0, 0, MaxContext) }),
            Width = width,
            HiddenWidth = fields.Required("feed_forward_length", 1, MaxWidth),
            QueryHeads = heads,
            KvHeads = kvHeads,
            HeadDim = headDim,
            VocabularySize = VocabularySize(file, family),
            ContextLength = fields.Required("context_length", 1, MaxContext),
            NormEpsilon = fields.Single("attention.layer_norm_rms_epsilon", null, 0, 1),
            Rotaries = [Rotary(file, fields, rotary)],
            AttentionScale = fields.Single("attention.scale", 1 / MathF.Sqrt(headDim), 1e-6f, 1e6f),
            QueryKeyNorm = family == "qwen3" ? QueryKeyNorm.PerHead : QueryKeyNorm.None,
            EmbeddingScale = family == "granite" ? fields.Single("embedding_scale", 1, 1e-6f, 1e6f) : 1,
            ResidualScale = family == "granite" ? fields.Single("residual_scale", 1, 1e-6f, 1e6f) : 1,
            LogitScale = family == "granite" ? 1 / fields.Single("logit_scale", 1, 1e-6f, 1e6f) : 1,
        };
    }

    private static int VocabularySize(GgufFile file, string family)
    {
        int rows = file.RequireTensor(TensorNames.Gguf.Embedding).Rows;
        if (file.Metadata.TryGetInt32($"{family}.vocab_size", out int said) && said != rows)
            throw new ModelFileException($"{family}.vocab_size", null, $"is {said}; tensor {TensorNames.Gguf.Embedding} has {rows} rows.");
        return rows;
    }

    /// <summary>
    /// Rotary frequencies with the file's scaling: <c>linear</c> by a factor, or the divisors that files of Llama 3.1 and later list in the tensor
    /// <c>rope_freqs.weight</c>. Others are refused by name.
    /// </summary>
    private static RotaryConfiguration Rotary(GgufFile file, Fields fields, int rotary)
    {
        float rotaryBase = fields.Single("rope.freq_base", 10_000, 1e-3f, 1e12f);
        float factor = fields.Single("rope.scale_linear", 1, 1e-3f, 1e6f);
        string scaling = fields.Text("rope.scaling.type") ?? "none";
        if (scaling == "linear")
            factor = fields.Single("rope.scaling.factor", factor, 1e-3f, 1e6f);
        else if (scaling != "none")
            throw fields.Error("rope.scaling.type", $"is '{ModelFileException.Printable(scaling)}'; known are: none, linear, and the divisors of rope_freqs.weight.");
        RotaryScaling stretch = new RotaryScaling.LinearScaling(factor);
        if (file.TryGetTensor("rope_freqs.weight", out GgufTensor? tensor))
        {
            float[] divisors = new GgufWeightSource(file).Vector("rope_freqs.weight", rotary / 2);
            foreach (float divisor in divisors)
            {
                if (!(divisor > 0) || !float.IsFinite(divisor))
                    throw new ModelFileException("tensor rope_freqs.weight", tensor.FileOffset, $"holds {divisor}; divisors must be positive and finite.");
            }

            stretch = new RotaryScaling.DivisorScaling(divisors, factor);
        }

        return new RotaryConfiguration { Dimensions = rotary, Base = rotaryBase, Scaling = stretch };
    }

    /// <summary>Fields of one family, checked against their ranges.</summary>
    private sealed class Fields(GgufMetadata metadata, string family)
    {
        public int Required(string name, int least, int most) => Ranged(name, metadata.GetInt32(Key(name)), least, most);

        public int Optional(string name, int fallback, int least, int most) =>
            Ranged(name, metadata.TryGetInt32(Key(name), out int value) ? value : fallback, least, most);

        public string? Text(string name) => metadata.TryGetString(Key(name), out string? value) ? value : null;

        /// <summary>A number; required where the fallback is null.</summary>
        public float Single(string name, float? fallback, float least, float most)
        {
            float value = metadata.TryGetSingle(Key(name), out float read) ? read : fallback ?? metadata.GetSingle(Key(name));
            return value >= least && value <= most ? value : throw Error(name, $"is {value}; it must be from {least} to {most}.");
        }

        public ModelFileException Error(string name, string problem) => new(Key(name), null, problem);

        private string Key(string name) => $"{family}.{name}";

        private int Ranged(string name, int value, int least, int most) =>
            value >= least && value <= most ? value : throw Error(name, $"is {value}; it must be from {least} to {most}.");
    }
}
