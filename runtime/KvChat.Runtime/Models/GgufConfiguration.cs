using KvChat.Kernels;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models;

/// <summary>Reads a model's shape from the metadata of a GGUF file, under the names that llama.cpp's converter writes.</summary>
public static class GgufConfiguration
{
    private const int MaxLayers = 4096, MaxWidth = 1 << 20, MaxHeads = 1 << 14, MaxContext = 1 << 24;

    /// <summary>Families that are known, as <c>general.architecture</c> names them. Mistral's files say <c>llama</c>.</summary>
    public static IReadOnlyList<string> Architectures { get; } =
        ["llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "smollm3", "olmo2", "granite"];

    /// <summary>Whether a family's query and key rows keep their rotary pairs side by side; the others keep halves.</summary>
    internal static bool HasPairedRows(string family) => family is "llama" or "granite" or "smollm3";

    /// <summary>Reads and checks the shape.</summary>
    /// <param name="file">The open file.</param>
    /// <exception cref="ModelFileException">The family is not known, or a field is missing or out of its range.</exception>
    public static TransformerConfiguration Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        string family = file.Metadata.GetString("general.architecture");
        if (!Architectures.Contains(family))
            throw new ModelFileException("general.architecture", null, $"is '{ModelFileException.Printable(family)}'; known are: {string.Join(", ", Architectures)}.");
        var fields = new GgufFields(file.Metadata, family);
        bool isGemma = family is "gemma2" or "gemma3", isGranite = family == "granite";
        int width = fields.Required("embedding_length", 1, MaxWidth), heads = fields.Required("attention.head_count", 1, MaxHeads);
        int headDim = HeadDim(fields, width, heads), rotary = RotaryDimensions(fields, headDim), layers = fields.Required("block_count", 1, MaxLayers);
        ExpertConfiguration? experts = Experts(fields);
        return new TransformerConfiguration
        {
            Architecture = family,
            PerLayer = Layers(file, fields, layers, experts is not null),
            Width = width,
            HiddenWidth = fields.Required("feed_forward_length", 1, MaxWidth),
            QueryHeads = heads,
            KvHeads = KvHeads(fields, heads),
            HeadDim = headDim,
            VocabularySize = VocabularySize(file, family),
            ContextLength = fields.Required("context_length", 1, MaxContext),
            NormEpsilon = fields.Single("attention.layer_norm_rms_epsilon", null, 0, 1),
            Rotaries = family == "gemma3"
                ? [GgufRotary.Read(file, fields, rotary), GgufRotary.ReadLocal(fields, rotary, 10_000)]
                : [GgufRotary.Read(file, fields, rotary)],
            AttentionScale = fields.Single("attention.scale", 1 / MathF.Sqrt(ScaledHead(family, layers, width, heads, headDim)), 1e-6f, 1e6f),
            AttentionSoftCap = family == "gemma2" ? fields.Single("attn_logit_softcapping", 50, 0, 1e6f) : 0,
            LogitSoftCap = isGemma ? fields.Single("final_logit_softcapping", family == "gemma2" ? 30 : 0, 0, 1e6f) : 0,
            Norms = isGemma ? NormPlacement.Both : family == "olmo2" ? NormPlacement.After : NormPlacement.Before,
            QueryKeyNorm = family switch
            {
                "qwen3" or "qwen3moe" or "gemma3" => QueryKeyNorm.PerHead,
                "olmo2" => QueryKeyNorm.FullWidth,
                _ => QueryKeyNorm.None,
            },
            Experts = experts,
            EmbeddingScale = isGemma ? MathF.Sqrt(width) : isGranite ? fields.Single("embedding_scale", 1, 1e-6f, 1e6f) : 1,
            ResidualScale = isGranite ? fields.Single("residual_scale", 1, 1e-6f, 1e6f) : 1,
            LogitScale = isGranite ? 1 / fields.Single("logit_scale", 1, 1e-6f, 1e6f) : 1,
            Activation = isGemma ? LinearEpilogue.GatedGelu : LinearEpilogue.GatedSilu,
        };
    }

    /// <summary>What the attention logits are divided by the root of. Files do not say it: the two 27B models of Gemma differ from the head dimension, and are known by their layers.</summary>
    private static float ScaledHead(string family, int layers, int width, int heads, int headDim) =>
        (family, layers) is ("gemma2", 46) or ("gemma3", 62) ? (float)width / heads : headDim;

    private static int HeadDim(GgufFields fields, int width, int heads)
    {
        int headDim = fields.Optional("attention.key_length", width / heads, 2, 1024);
        if (fields.Optional("attention.value_length", headDim, 2, 1024) != headDim)
            throw fields.Error("attention.value_length", $"differs from attention.key_length {headDim}; they must be equal.");
        return headDim % 8 == 0 ? headDim : throw fields.Error("attention.key_length", $"is {headDim}; it must be a multiple of 8.");
    }

    private static int KvHeads(GgufFields fields, int heads)
    {
        int kvHeads = fields.Optional("attention.head_count_kv", heads, 1, heads);
        return heads % kvHeads == 0 ? kvHeads : throw fields.Error("attention.head_count_kv", $"is {kvHeads}; it must divide attention.head_count {heads}.");
    }

    private static int RotaryDimensions(GgufFields fields, int headDim)
    {
        int rotary = fields.Optional("rope.dimension_count", headDim, 2, headDim);
        return rotary % 2 == 0 ? rotary : throw fields.Error("rope.dimension_count", $"is {rotary}; it must be even.");
    }

    private static ExpertConfiguration? Experts(GgufFields fields)
    {
        int count = fields.Optional("expert_count", 0, 0, MaxHeads);
        if (fields.Family != "qwen3moe")
            return count == 0 ? null : throw fields.Error("expert_count", "is not 0; of the families with experts, qwen3moe is supported.");
        if (count == 0)
            throw fields.Error("expert_count", "is 0 or missing; it must be 1 or more.");
        return new ExpertConfiguration
        {
            Count = count,
            PerToken = fields.Required("expert_used_count", 1, count),
            Width = fields.Required("expert_feed_forward_length", 1, MaxWidth),
            Normalises = fields.Flag("expert_weights_norm", true),
        };
    }

    private static LayerConfiguration[] Layers(GgufFile file, GgufFields fields, int count, bool hasExperts)
    {
        int window = fields.Optional("attention.sliding_window", fields.Family == "gemma2" ? 4096 : 0, 0, MaxContext);
        bool[]? listed = fields.Flags("attention.sliding_window_pattern");
        if (listed is not null && listed.Length != count)
            throw fields.Error("attention.sliding_window_pattern", $"has {listed.Length} entries; block_count is {count}.");
        int usual = fields.Family switch { "gemma2" => 2, "gemma3" => 6, "olmo2" => 4, _ => 0 };
        int period = listed is null ? fields.Optional("attention.sliding_window_pattern", usual, 0, MaxLayers) : 0;
        var layers = new LayerConfiguration[count];
        for (int i = 0; i < count; i++)
        {
            // The last layer of each period sees everything; without a period all have the window.
            bool isLocal = window > 0 && (listed?[i] ?? (period == 0 || i % period < period - 1));
            bool isDense = file.TryGetTensor(TensorNames.Of(TensorNames.Gguf.Gate, i) + ".weight", out _);
            layers[i] = new LayerConfiguration
            {
                SlidingWindow = isLocal ? window : 0,
                Rotary = fields.Family == "smollm3" && (i + 1) % 4 == 0 ? null : fields.Family == "gemma3" && isLocal ? 1 : 0,
                HasExperts = hasExperts && !isDense,
            };
        }

        return layers;
    }

    private static int VocabularySize(GgufFile file, string family)
    {
        int rows = file.RequireTensor(TensorNames.Gguf.Embedding).Rows;
        if (file.Metadata.TryGetInt32($"{family}.vocab_size", out int said) && said != rows)
            throw new ModelFileException($"{family}.vocab_size", null, $"is {said}; tensor {TensorNames.Gguf.Embedding} has {rows} rows.");
        return rows;
    }
}
