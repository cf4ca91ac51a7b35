using System.Text.Json;
using KvChat.Kernels;
using KvChat.Runtime.Models.Safetensors;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models.HuggingFace;

/// <summary>Reads a model's shape from <c>config.json</c>, with the defaults that the families' own code has.</summary>
public static class HuggingFaceConfiguration
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "config.json";

    private const string OutputName = "lm_head.weight";

    private const int LongestFile = 16 << 20, MaxLayers = 4096, MaxWidth = 1 << 20, MaxHeads = 1 << 14, MaxContext = 1 << 24;

    private static readonly string[] DecoderPrefixes = ["model.", "model.language_model.", "language_model.model."];

    /// <summary>Families that are known, as <c>model_type</c> names them. <c>gemma3</c>, which sees images too, is read without its eyes.</summary>
    public static IReadOnlyList<string> ModelTypes { get; } = [.. ModelFamily.All.Keys, "gemma3"];

    /// <summary>Reads and checks the shape, and what the folder calls its tensors.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="weights">Its weights.</param>
    /// <exception cref="FileNotFoundException">There is no <c>config.json</c>.</exception>
    /// <exception cref="ModelFileException">The family is not known, or a field is missing or out of its range.</exception>
    public static (TransformerConfiguration Configuration, TensorNames Names) Read(string folder, SafetensorsWeights weights)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return Read(SmallFile.Read(Path.Combine(folder, FileName), LongestFile), weights);
    }

    /// <summary>Reads and checks the shape from the text of <c>config.json</c>.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="weights">The weights, by which the vocabulary is checked.</param>
    /// <exception cref="ModelFileException">As <see cref="Read(string, SafetensorsWeights)"/>.</exception>
    public static (TransformerConfiguration Configuration, TensorNames Names) Read(ReadOnlyMemory<byte> json, SafetensorsWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        using JsonDocument document = SmallFile.Parse(json, FileName);
        var whole = new JsonFields(document.RootElement, FileName);
        (ModelFamily family, JsonFields fields) = Family(whole);
        RefuseQuantisation(whole);
        if (fields.Flag("use_bidirectional_attention", false))
            throw fields.Error("use_bidirectional_attention", "is true: tokens that see those behind them make embeddings, not answers.");
        string prefix = DecoderPrefixes.FirstOrDefault(p => weights.Has(p + "embed_tokens.weight")) ?? DecoderPrefixes[0];
        // A tied head may lie in the file all the same; where nothing says whether it is tied, it is where there is none.
        bool isTied = fields.Flag("tie_word_embeddings", whole.Flag("tie_word_embeddings", family.IsGemma || !weights.Has(OutputName)));
        var names = TensorNames.HuggingFace(prefix, family.Norms, isTied);
        if (!isTied && !weights.Has(OutputName))
            throw fields.Error("tie_word_embeddings", $"is false, but the weights have no {OutputName}.");
        return (Shape(family, fields, Vocabulary(fields, weights, names)), names);
    }

    private static (ModelFamily Family, JsonFields Fields) Family(JsonFields whole)
    {
        string type = whole.Text("model_type") ?? throw whole.Error("model_type", $"is missing; known are: {string.Join(", ", ModelTypes)}.");
        if (type == "gemma3")
            return (ModelFamily.All["gemma3_text"], whole.Required("text_config"));
        return ModelFamily.All.TryGetValue(type, out ModelFamily? family)
            ? (family, whole)
            : throw whole.Error("model_type", $"is '{ModelFileException.Printable(type)}'; known are: {string.Join(", ", ModelTypes)}.");
    }

    private static void RefuseQuantisation(JsonFields whole)
    {
        if (whole.Optional("quantization_config") is { } quantisation)
        {
            throw whole.Error(
                "quantization_config",
                $"names weights quantised by '{ModelFileException.Printable(quantisation.Text("quant_method") ?? "?")}'; weights must be F32, F16 or BF16. Take the unquantised model, or a GGUF file of it.");
        }
    }

    private static int Vocabulary(JsonFields fields, SafetensorsWeights weights, TensorNames names)
    {
        int rows = weights.RowsOf(names.Embedding);
        return fields.Int32("vocab_size", rows, 1, int.MaxValue) is var said && said == rows
            ? rows
            : throw fields.Error("vocab_size", $"is {said}; tensor {names.Embedding} has {rows} rows.");
    }

    private static TransformerConfiguration Shape(ModelFamily family, JsonFields fields, int vocabulary)
    {
        int width = fields.Int32("hidden_size", null, 1, MaxWidth), heads = fields.Int32("num_attention_heads", Or(family.QueryHeads), 1, MaxHeads);
        int headDim = HeadDim(family, fields, width, heads), layers = fields.Int32("num_hidden_layers", null, 1, MaxLayers);
        int context = fields.Int32("max_position_embeddings", Or(family.ContextLength), 1, MaxContext);
        RotaryConfiguration[] rotaries = HuggingFaceRotary.Read(family, fields, headDim, context);
        return new TransformerConfiguration
        {
            Architecture = family.Type,
            PerLayer = HuggingFaceLayers.Read(family, fields, layers),
            Width = width,
            HiddenWidth = fields.Int32("intermediate_size", null, 1, MaxWidth),
            QueryHeads = heads,
            KvHeads = KvHeads(family, fields, heads),
            HeadDim = headDim,
            VocabularySize = vocabulary,
            ContextLength = Stretched(context, rotaries[0].Scaling),
            NormEpsilon = (float)fields.Number("rms_norm_eps", family.NormEpsilon, 0, 1),
            NormOffset = family.IsGemma ? 1 : 0,
            Rotaries = rotaries,
            AttentionScale = AttentionScale(family, fields, headDim),
            AttentionSoftCap = family.Type == "gemma2" ? SoftCap(fields, "attn_logit_softcapping", family.AttentionSoftCap) : 0,
            LogitSoftCap = family.IsGemma ? SoftCap(fields, "final_logit_softcapping", family.LogitSoftCap) : 0,
            Norms = family.Norms,
            QueryKeyNorm = family.QueryKeyNorm,
            Experts = Experts(family, fields),
            EmbeddingScale = family.IsGemma ? MathF.Sqrt(width) : Multiplier(family, fields, "embedding_multiplier"),
            ResidualScale = Multiplier(family, fields, "residual_multiplier"),
            LogitScale = 1 / Multiplier(family, fields, "logits_scaling"),
            Activation = Activation(family, fields),
        };
    }

    private static int? Or(int fallback) => fallback == 0 ? null : fallback;

    private static int HeadDim(ModelFamily family, JsonFields fields, int width, int heads)
    {
        int headDim = fields.Int32("head_dim", family.HeadDim > 0 ? family.HeadDim : Math.Max(1, width / heads), 1, 1024);
        return headDim % 8 == 0 ? headDim : throw fields.Error("head_dim", $"is {headDim}; it must be a multiple of 8.");
    }

    private static int KvHeads(ModelFamily family, JsonFields fields, int heads)
    {
        int kvHeads = fields.Int32("num_key_value_heads", family.KvHeads > 0 ? family.KvHeads : heads, 1, heads);
        return heads % kvHeads == 0 ? kvHeads : throw fields.Error("num_key_value_heads", $"is {kvHeads}; it must divide num_attention_heads {heads}.");
    }

    /// <summary>YaRN's files keep the context first trained on; the others say the stretched one.</summary>
    private static int Stretched(int context, RotaryScaling scaling) =>
        scaling is RotaryScaling.YarnScaling yarn ? (int)Math.Min(MaxContext, Math.Max(context, yarn.OriginalContext * yarn.Factor)) : context;

    private static float AttentionScale(ModelFamily family, JsonFields fields, int headDim) =>
        family.IsGemma ? 1 / MathF.Sqrt((float)fields.Number("query_pre_attn_scalar", 256, 1e-3, 1e6))
        : family.IsGranite ? Multiplier(family, fields, "attention_multiplier")
        : 1 / MathF.Sqrt(headDim);

    /// <summary>Unlike other fields, null is a word of its own here: no cap.</summary>
    private static float SoftCap(JsonFields fields, string name, double fallback) => fields.IsNull(name) ? 0 : (float)fields.Number(name, fallback, 0, 1e6);

    private static float Multiplier(ModelFamily family, JsonFields fields, string name) => family.IsGranite ? (float)fields.Number(name, 1, 1e-6, 1e6) : 1;

    private static ExpertConfiguration? Experts(ModelFamily family, JsonFields fields)
    {
        if (!family.HasExperts)
            return null;
        int count = fields.Int32(fields.Has("num_experts") ? "num_experts" : "num_local_experts", null, 1, MaxHeads);
        return new ExpertConfiguration
        {
            Count = count,
            PerToken = fields.Int32("num_experts_per_tok", null, 1, count),
            Width = fields.Int32("moe_intermediate_size", null, 1, MaxWidth),
            Normalises = fields.Flag("norm_topk_prob", false),
        };
    }

    private static LinearEpilogue Activation(ModelFamily family, JsonFields fields)
    {
        // Gemma's newer field wins over the older, as in its code.
        string name = family.IsGemma && fields.Has("hidden_activation") ? "hidden_activation" : "hidden_act", usual = family.IsGemma ? "gelu_pytorch_tanh" : "silu";
        string said = fields.Text(name) ?? usual;
        return said == usual
            ? family.IsGemma ? LinearEpilogue.GatedGelu : LinearEpilogue.GatedSilu
            : throw fields.Error(name, $"is '{ModelFileException.Printable(said)}'; for {family.Type} it must be {usual}.");
    }
}
