namespace KvChat.Runtime.Transformer;

/// <summary>Where a layer's two parts, attention and feed-forward, have their RMS norms.</summary>
public enum NormPlacement
{
    /// <summary>In front of each part: Llama and most others.</summary>
    Before,

    /// <summary>Behind each part, before it is added to the residual stream: OLMo 2.</summary>
    After,

    /// <summary>On both sides: Gemma 2 and 3.</summary>
    Both,
}

/// <summary>What queries and keys are normalised over before rotation.</summary>
public enum QueryKeyNorm
{
    /// <summary>Nothing: they are not.</summary>
    None,

    /// <summary>Each head for itself, all with the same weights, <c>[headDim]</c>: Qwen 3, Gemma 3.</summary>
    PerHead,

    /// <summary>All heads of the layer together, <c>[queryHeads * headDim]</c> and <c>[kvHeads * headDim]</c>: OLMo 2.</summary>
    FullWidth,
}

/// <summary>What one layer has of its own.</summary>
public sealed record LayerConfiguration
{
    /// <summary>0, or how far back a row sees: KVs whose position is greater than its own minus this.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Index into <see cref="TransformerConfiguration.Rotaries"/>, or null for a layer without rotary positions.</summary>
    public int? Rotary { get; init; } = 0;

    /// <summary>Whether the feed-forward part chooses among experts; needs <see cref="TransformerConfiguration.Experts"/>.</summary>
    public bool HasExperts { get; init; }

    /// <summary>A model's layers where all are alike.</summary>
    /// <param name="count">Number of layers.</param>
    /// <param name="layer">What each is like; null for the plain one.</param>
    public static IReadOnlyList<LayerConfiguration> Alike(int count, LayerConfiguration? layer = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        var layers = new LayerConfiguration[count];
        Array.Fill(layers, layer ?? new LayerConfiguration());
        return layers;
    }
}

/// <summary>The experts of the layers that have them.</summary>
public sealed record ExpertConfiguration
{
    /// <summary>Experts of a layer.</summary>
    public required int Count { get; init; }

    /// <summary>How many of them each row passes: those with the greatest probabilities.</summary>
    public required int PerToken { get; init; }

    /// <summary>Numbers in the hidden layer of one expert.</summary>
    public required int Width { get; init; }

    /// <summary>Whether the chosen experts' probabilities are divided by their sum (<c>norm_topk_prob</c>).</summary>
    public bool Normalises { get; init; } = true;
}
