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

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Numbers in the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Numbers in the hidden layer of the feed-forward part.</summary>
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

    /// <summary>Radians per position of each rotary pair, scaling included, <c>[rotary dimensions / 2]</c>.</summary>
    public required IReadOnlyList<float> InverseFrequencies { get; init; }

    /// <summary>Factor of the attention logits, usually <c>1 / sqrt(HeadDim)</c>.</summary>
    public required float AttentionScale { get; init; }

    /// <summary>0, or how many positions back a row sees.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>Whether every query and key head passes an RMS norm before rotation.</summary>
    public bool HasHeadNorms { get; init; }

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
}
