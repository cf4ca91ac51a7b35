using System.Globalization;

namespace KvChat.Runtime.Transformer;

/// <summary>What a family of files calls its tensors; <c>{0}</c> stands for the layer.</summary>
public sealed record TensorNames
{
    /// <summary>Names in GGUF files.</summary>
    public static TensorNames Gguf { get; } = new()
    {
        Embedding = "token_embd.weight",
        OutputNorm = "output_norm.weight",
        Output = "output.weight",
        AttentionNorm = "blk.{0}.attn_norm.weight",
        QueryNorm = "blk.{0}.attn_q_norm.weight",
        KeyNorm = "blk.{0}.attn_k_norm.weight",
        Query = "blk.{0}.attn_q",
        Key = "blk.{0}.attn_k",
        Value = "blk.{0}.attn_v",
        AttentionOutput = "blk.{0}.attn_output",
        FeedForwardNorm = "blk.{0}.ffn_norm.weight",
        Gate = "blk.{0}.ffn_gate",
        Up = "blk.{0}.ffn_up",
        Down = "blk.{0}.ffn_down",
    };

    /// <summary>Token embeddings, <c>[vocabulary, width]</c>.</summary>
    public required string Embedding { get; init; }

    /// <summary>Norm before the output head.</summary>
    public required string OutputNorm { get; init; }

    /// <summary>Output head, <c>[vocabulary, width]</c>; missing where it is the embedding.</summary>
    public required string Output { get; init; }

    /// <summary>Norm before attention.</summary>
    public required string AttentionNorm { get; init; }

    /// <summary>Norm of every query head, <c>[headDim]</c>; read where the configuration says so.</summary>
    public required string QueryNorm { get; init; }

    /// <summary>Norm of every key head, <c>[headDim]</c>; read where the configuration says so.</summary>
    public required string KeyNorm { get; init; }

    /// <summary>Query projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Query { get; init; }

    /// <summary>Key projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Key { get; init; }

    /// <summary>Value projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Value { get; init; }

    /// <summary>Projection of the heads' outputs; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string AttentionOutput { get; init; }

    /// <summary>Norm before the feed-forward part.</summary>
    public required string FeedForwardNorm { get; init; }

    /// <summary>Gate projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Gate { get; init; }

    /// <summary>Up projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Up { get; init; }

    /// <summary>Down projection; <c>.weight</c> and <c>.bias</c> follow.</summary>
    public required string Down { get; init; }

    /// <summary>A name with its layer put in.</summary>
    internal static string Of(string pattern, int layer) => pattern.Replace("{0}", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
