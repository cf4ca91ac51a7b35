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

    /// <summary>
    /// Names in folders of the Hugging Face layout. What the layout calls <c>post_attention_layernorm</c> stands before the feed-forward part in families with
    /// norms in front of their parts alone, and behind attention in the others.
    /// </summary>
    /// <param name="prefix">What stands before the names of the decoder: <c>model.</c>, or more where a model has other parts beside it.</param>
    /// <param name="norms">Where the family has its norms.</param>
    /// <param name="isTied">Whether the output head is the embedding, whatever else the files hold.</param>
    internal static TensorNames HuggingFace(string prefix, NormPlacement norms, bool isTied)
    {
        string layer = prefix + "layers.{0}.", attention = layer + "self_attn.", feedForward = layer + "mlp.";
        const string behindAttention = "post_attention_layernorm.weight";
        return new TensorNames
        {
            Embedding = prefix + "embed_tokens.weight",
            OutputNorm = prefix + "norm.weight",
            Output = isTied ? prefix + "embed_tokens.weight" : "lm_head.weight",
            AttentionNorm = layer + "input_layernorm.weight",
            QueryNorm = attention + "q_norm.weight",
            KeyNorm = attention + "k_norm.weight",
            Query = attention + "q_proj",
            Key = attention + "k_proj",
            Value = attention + "v_proj",
            AttentionOutput = attention + "o_proj",
            FeedForwardNorm = layer + (norms == NormPlacement.Before ? behindAttention : "pre_feedforward_layernorm.weight"),
            Gate = feedForward + "gate_proj",
            Up = feedForward + "up_proj",
            Down = feedForward + "down_proj",
            QueryKeyValue = attention + "qkv_proj",
            GateUp = feedForward + "gate_up_proj",
            PostAttentionNorm = layer + behindAttention,
            PostFeedForwardNorm = layer + "post_feedforward_layernorm.weight",
            Router = feedForward + "gate",
            ExpertGate = feedForward + "experts.{1}.gate_proj",
            ExpertUp = feedForward + "experts.{1}.up_proj",
            ExpertDown = feedForward + "experts.{1}.down_proj",
        };
    }

    /// <summary>Token embeddings, <c>[vocabulary, width]</c>.</summary>
    public required string Embedding { get; init; }

    /// <summary>Norm before the output head.</summary>
    public required string OutputNorm { get; init; }

    /// <summary>Output head, <c>[vocabulary, width]</c>; missing, or of the embedding's name, where it is the embedding.</summary>
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
