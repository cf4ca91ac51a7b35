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
        QueryKeyValue = "blk.{0}.attn_qkv",
        GateUp = "blk.{0}.ffn_up",
        PostAttentionNorm = "blk.{0}.post_attention_norm.weight",
        PostFeedForwardNorm = "blk.{0}.post_ffw_norm.weight",
        Router = "blk.{0}.ffn_gate_inp",
        ExpertGate = "blk.{0}.ffn_gate_exps",
        ExpertUp = "blk.{0}.ffn_up_exps",
        ExpertDown = "blk.{0}.ffn_down_exps",
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

    /// <summary>
    /// Query, key and value rows behind each other in one tensor; <c>.weight</c> and <c>.bias</c> follow. Read where the file has no tensor of <see cref="Query"/>;
    /// null where no file of the kind has it.
    /// </summary>
    public string? QueryKeyValue { get; init; }

    /// <summary>Gate and up rows behind each other in one tensor; read where the file has no tensor of <see cref="Gate"/>.</summary>
    public string? GateUp { get; init; }

    /// <summary>Norm behind attention; read where the configuration has one there.</summary>
    public string? PostAttentionNorm { get; init; }

    /// <summary>Norm behind the feed-forward part; read where the configuration has one there.</summary>
    public string? PostFeedForwardNorm { get; init; }

    /// <summary>The router's projection, <c>[experts, width]</c>; <c>.weight</c> follows.</summary>
    public string? Router { get; init; }

    /// <summary>Gate projections of experts; <c>.weight</c> follows. With <c>{1}</c>, which stands for the expert, one tensor for each; without, all behind each other.</summary>
    public string? ExpertGate { get; init; }

    /// <summary>Up projections of experts, as <see cref="ExpertGate"/>.</summary>
    public string? ExpertUp { get; init; }

    /// <summary>Down projections of experts, as <see cref="ExpertGate"/>.</summary>
    public string? ExpertDown { get; init; }

    /// <summary>A name with its layer put in, and its expert where the pattern has a place for it.</summary>
    internal static string Of(string pattern, int layer, int expert = 0) => pattern
        .Replace("{0}", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{1}", expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
