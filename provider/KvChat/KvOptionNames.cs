namespace KvChat;

/// <summary>
/// Names that this client reads in <c>AdditionalProperties</c> of chat options, messages and contents. Values may be numbers, strings or
/// JSON elements. A name that begins with <c>kv_</c> and is none of these is an error.
/// </summary>
public static class KvOptionNames
{
    /// <summary>What all names of compression begin with.</summary>
    public const string Prefix = "kv_";

    /// <summary>One of <see cref="KvChat.Runtime.Compression.CompressionPolicies.Names"/>, such as <c>kv-compress</c>, <c>kvzip</c> or <c>off</c>; a share or number of KVs, or a quality, without a policy means <c>kv-compress</c>.</summary>
    public const string Policy = "kv_policy";

    /// <summary>How the budget is divided among heads: <c>global</c>, <c>uniform</c>, <c>pyramid</c> or <c>ada-kv</c>; null for the policy's own way.</summary>
    public const string Allocator = "kv_allocator";

    /// <summary>A share of the full cache's right answers, above 0 and at most 1, instead of an amount.</summary>
    public const string MinQuality = "kv_min_quality";

    /// <summary>KVs kept per KV seen, above 0 and at most 1.</summary>
    public const string RetainedRatio = "kv_retained_ratio";

    /// <summary>KVs kept per head on average.</summary>
    public const string RetainedKvs = "kv_retained_kvs";

    /// <summary><c>after</c> (or <c>after_prompt</c>), <c>during</c> (or <c>while_reading</c>).</summary>
    public const string Schedule = "kv_schedule";

    /// <summary><c>known</c> or <c>unknown</c>.</summary>
    public const string Query = "kv_query";

    /// <summary>How KVs are stored: <c>f16</c>, <c>f32</c>, <c>bf16</c>, <c>k8v8</c>, <c>k8v4</c>, <c>k4v4</c> or <c>k4v2</c>.</summary>
    public const string Format = "kv_format";

    /// <summary>How KVs are stored that matter less: <c>k8v8</c>, <c>k8v4</c>, <c>k4v4</c> or <c>k4v2</c>; null for all alike.</summary>
    public const string LowFormat = "kv_low_format";

    /// <summary>Share of the budget's bytes for KVs that are not in the low format, above 0 and at most 1.</summary>
    public const string HighShare = "kv_high_share";

    /// <summary>Mean attention weight, times the tokens seen, below which a KV is dropped: 0 or more. With the policy "leankv" and in place of a budget.</summary>
    public const string DropThreshold = "kv_drop_threshold";

    /// <summary>Mean attention weight, times the tokens seen, below which a KV goes to the low format: at least the drop threshold, or 0.</summary>
    public const string LowThreshold = "kv_low_threshold";

    /// <summary>Prompt tokens whose queries make the scores.</summary>
    public const string ObservationWindow = "kv_observation_window";

    /// <summary>Width of the max-pooling, odd.</summary>
    public const string PoolWidth = "kv_pool_width";

    /// <summary>True for squared attention.</summary>
    public const string Squared = "kv_squared";

    /// <summary>Newest KVs that are never evicted.</summary>
    public const string ProtectedTokens = "kv_protected_tokens";

    /// <summary>First KVs that are never evicted.</summary>
    public const string SinkTokens = "kv_sink_tokens";

    /// <summary>Prompt tokens between two compressions while reading.</summary>
    public const string ChunkTokens = "kv_chunk_tokens";

    /// <summary>Answer tokens between two compressions.</summary>
    public const string DecodeInterval = "kv_decode_interval";

    /// <summary>Whether memory pressure may compress the request further.</summary>
    public const string UnderPressure = "kv_under_pressure";

    /// <summary>On a message or a content: <c>pinned</c>, <c>preferred</c>, <c>compressible</c> or <c>droppable</c>.</summary>
    public const string Retention = "kv_retention";

    /// <summary>On a message or a content: the <see cref="KvDocument.Id"/> of the prepared document that stands in its place, before the message's texts.</summary>
    public const string Document = "kv_document";

    /// <summary>Keeps tokens at least this share as probable as the best one, from 0 to 1.</summary>
    public const string MinP = "min_p";

    /// <summary>Divides positive and multiplies negative logits of tokens seen before; 1 changes nothing.</summary>
    public const string RepetitionPenalty = "repetition_penalty";

    /// <summary>A grammar in GBNF's notation that the answer must follow, from its rule <c>root</c>.</summary>
    public const string Grammar = "grammar";

    /// <summary>A regular expression that the answer must match from beginning to end.</summary>
    public const string Regex = "regex";

    /// <summary>Whether the log probabilities of the answer's tokens are wanted; they come under the same name, as JSON in OpenAI's form.</summary>
    public const string LogProbabilities = "logprobs";

    /// <summary>How many of the most probable tokens are wanted beside each drawn one, from 0 to 20.</summary>
    public const string TopLogProbabilities = "top_logprobs";

    /// <summary>Switches a model's thinking where its template can.</summary>
    public const string EnableThinking = "enable_thinking";
}
