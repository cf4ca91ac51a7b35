using KvChat.Kernels;

namespace KvChat.Runtime.Transformer;

/// <summary>Weights of one layer.</summary>
internal sealed class TransformerLayer
{
    /// <summary>Norm in front of attention, where there is one.</summary>
    public required DeviceVector? AttentionNorm { get; init; }

    public required DeviceMatrix QueryKeyValue { get; init; }

    public required DeviceVector? QueryKeyValueBias { get; init; }

    public required DeviceVector? QueryNorm { get; init; }

    public required DeviceVector? KeyNorm { get; init; }

    public required DeviceMatrix AttentionOutput { get; init; }

    public required DeviceVector? AttentionOutputBias { get; init; }

    /// <summary>Norm behind attention, where there is one.</summary>
    public required DeviceVector? PostAttentionNorm { get; init; }

    /// <summary>Norm in front of the feed-forward part, where there is one.</summary>
    public required DeviceVector? FeedForwardNorm { get; init; }

    /// <summary>The feed-forward part; null where the layer has experts.</summary>
    public required FeedForwardWeights? Dense { get; init; }

    /// <summary>The experts; null where the layer has one feed-forward part for all.</summary>
    public required ExpertWeights? Experts { get; init; }

    /// <summary>Norm behind the feed-forward part, where there is one.</summary>
    public required DeviceVector? PostFeedForwardNorm { get; init; }
}

/// <summary>Weights of a feed-forward part.</summary>
internal sealed class FeedForwardWeights
{
    public required DeviceMatrix GateUp { get; init; }

    public required DeviceVector? GateUpBias { get; init; }

    public required DeviceMatrix Down { get; init; }

    public required DeviceVector? DownBias { get; init; }
}

/// <summary>Weights of a router and its experts.</summary>
internal sealed class ExpertWeights
{
    public required DeviceMatrix Router { get; init; }

    public required DeviceMatrix[] GateUp { get; init; }

    public required DeviceMatrix[] Down { get; init; }
}
