using KvChat.Kernels;

namespace KvChat.Runtime.Transformer;

/// <summary>
/// The shape of a decoder-only transformer. There is one forward pass; families of models differ in this record and in the names of
/// their tensors alone.
/// </summary>
public sealed record TransformerConfiguration
{
    /// <summary>Name of the family, as model files say it: <c>llama</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>What each layer has of its own, in their order.</summary>
    public required IReadOnlyList<LayerConfiguration> PerLayer { get; init; }

    /// <summary>Number of layers.</summary>
    public int Layers => PerLayer.Count;

    /// <summary>Numbers in the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Numbers in the hidden layer of a feed-forward part without experts.</summary>
    public required int HiddenWidth { get; init; }

    /// <summary>Query heads.</summary>
    public required int QueryHeads { get; init; }

    /// <summary>KV heads; each serves a group of <see cref="QueryHeads"/> / <see cref="KvHeads"/> query heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Numbers in a query, key or value of one head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Number of tokens in the vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Longest sequence that the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Added to the mean square under the root of every RMS norm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Tables of rotary angles; layers choose among them. Empty where no layer has one.</summary>
    public required IReadOnlyList<RotaryConfiguration> Rotaries { get; init; }

    /// <summary>Factor of the attention logits, usually <c>1 / sqrt(HeadDim)</c>.</summary>
    public required float AttentionScale { get; init; }

    /// <summary>0, or the cap c of <c>c * tanh(x / c)</c> that attention logits pass before their softmax.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>0, or the cap c of <c>c * tanh(x / c)</c> that the model's logits pass.</summary>
    public float LogitSoftCap { get; init; }

    /// <summary>Where the layers' norms are.</summary>
    public NormPlacement Norms { get; init; }

    /// <summary>Added to the weights of every norm when they are loaded: 1 for files of Gemma in the Hugging Face layout, which keep the difference from 1.</summary>
    public float NormOffset { get; init; }

    /// <summary>What queries and keys are normalised over before rotation.</summary>
    public QueryKeyNorm QueryKeyNorm { get; init; }

    /// <summary>The experts of layers with <see cref="LayerConfiguration.HasExperts"/>, or null.</summary>
    public ExpertConfiguration? Experts { get; init; }

    /// <summary>Factor of the embeddings.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Factor of what attention and the feed-forward part add to the residual stream.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Factor of the logits.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>The gated activation of the feed-forward part.</summary>
    public LinearEpilogue Activation { get; init; } = LinearEpilogue.GatedSilu;

    /// <summary>Heads of all layers whose KVs a sequence holds: layers times KV heads.</summary>
    public int TotalKvHeads => Layers * KvHeads;

    /// <summary>
    /// Longest sequence, in tokens, that takes the short table of <see cref="RotaryScaling.LongRopeScaling"/>, or <see cref="int.MaxValue"/> where there is no such
    /// scaling. Longer ones are read with <see cref="KvChat.Kernels.SequenceSlice.UsesLongRotary"/>.
    /// </summary>
    public int ShortRotaryTokens => Rotaries.Select(r => r.Scaling).OfType<RotaryScaling.LongRopeScaling>().Select(s => s.OriginalContext).DefaultIfEmpty(int.MaxValue).Min();
}
