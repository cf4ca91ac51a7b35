using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models.HuggingFace;

/// <summary>What the code of a family knows and its files need not say: kinds of parts, and values that hold where <c>config.json</c> leaves them out.</summary>
internal sealed record ModelFamily
{
    private const int SmolLm3Interval = 4, Gemma2Period = 2, Gemma3Period = 6;

    /// <summary>Families that are known, by <c>model_type</c>. Defaults are those of transformers 5.23's configuration classes.</summary>
    public static IReadOnlyDictionary<string, ModelFamily> All { get; } = new[]
    {
        new ModelFamily { Type = "llama" },
        new ModelFamily { Type = "mistral", Window = 4096 },
        new ModelFamily { Type = "qwen2", Window = 4096, HasWindowFlag = true },
        new ModelFamily { Type = "qwen3", HeadDim = 128, Window = 4096, HasWindowFlag = true, QueryKeyNorm = QueryKeyNorm.PerHead },
        new ModelFamily { Type = "qwen3_moe", Window = 4096, HasWindowFlag = true, QueryKeyNorm = QueryKeyNorm.PerHead, HasExperts = true },
        new ModelFamily
        {
            Type = "gemma2", IsGemma = true, HeadDim = 256, KvHeads = 4, QueryHeads = 8, Window = 4096, Period = Gemma2Period, AttentionSoftCap = 50, LogitSoftCap = 30, ContextLength = 8192,
        },
        new ModelFamily
        {
            Type = "gemma3_text", IsGemma = true, HeadDim = 256, KvHeads = 4, QueryHeads = 8, Window = 4096, Period = Gemma3Period, QueryKeyNorm = QueryKeyNorm.PerHead,
            ContextLength = 131_072, RotaryBase = 1_000_000, LocalRotaryBase = 10_000,
        },
        new ModelFamily { Type = "phi3", NormEpsilon = 1e-5 },
        new ModelFamily { Type = "smollm3", RotaryBase = 2_000_000, UnrotatedInterval = SmolLm3Interval, HasWindowFlag = true },
        new ModelFamily { Type = "olmo2", Norms = NormPlacement.After, QueryKeyNorm = QueryKeyNorm.FullWidth, NormEpsilon = 1e-5 },
        new ModelFamily { Type = "granite", IsGranite = true },
    }.ToDictionary(f => f.Type, StringComparer.Ordinal);

    /// <summary>The family's <c>model_type</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Gemma: embeddings grow by the root of their width, norms keep the difference from 1, logits are scaled by <c>query_pre_attn_scalar</c>.</summary>
    public bool IsGemma { get; init; }

    /// <summary>Granite: multipliers of embeddings, residuals, attention and logits.</summary>
    public bool IsGranite { get; init; }

    public bool HasExperts { get; init; }

    public NormPlacement Norms
    {
        get => IsGemma ? NormPlacement.Both : field;
        init;
    }

    public QueryKeyNorm QueryKeyNorm { get; init; }

    /// <summary>0 for width over heads.</summary>
    public int HeadDim { get; init; }

    /// <summary>0 where it must be said.</summary>
    public int QueryHeads { get; init; }

    /// <summary>0 for as many as query heads.</summary>
    public int KvHeads { get; init; }

    /// <summary>Window where the field is missing (null says: none).</summary>
    public int Window { get; init; }

    /// <summary>Whether windows count only where <c>use_sliding_window</c> says so.</summary>
    public bool HasWindowFlag { get; init; }

    /// <summary>Of each so many layers the last sees everything; 0 where all have the window.</summary>
    public int Period { get; init; }

    /// <summary>Every so many layers one has no rotary positions; 0 for none.</summary>
    public int UnrotatedInterval { get; init; }

    public double RotaryBase { get; init; } = 10_000;

    /// <summary>Base of layers with a window, where they have a table of their own.</summary>
    public double? LocalRotaryBase { get; init; }

    public double NormEpsilon { get; init; } = 1e-6;

    public double AttentionSoftCap { get; init; }

    public double LogitSoftCap { get; init; }

    /// <summary>0 where it must be said.</summary>
    public int ContextLength { get; init; }
}
