using Microsoft.Extensions.AI;

namespace KvChat.Requests;

/// <summary>Refuses, by name, what this client cannot honour: nothing that changes an answer is ignored in silence.</summary>
internal static class UnsupportedOptions
{
    /// <summary>Sampling and output settings of other providers that would change the answer.</summary>
    private static readonly HashSet<string> ForeignSettings = new(StringComparer.OrdinalIgnoreCase)
    {
        "n", "best_of", "logit_bias", "typical_p", "tfs_z", "top_a", "mirostat", "mirostat_eta", "mirostat_tau",
        "guided_json", "guided_regex", "guided_choice", "guided_grammar", "json_schema", "num_ctx", "num_predict", "num_keep", "max_length", "min_tokens",
        "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "stop", "stop_sequences", "frequency_penalty", "presence_penalty",
        "repeat_penalty", "repeat_last_n", "dry_multiplier", "xtc_probability", "response_format", "tools", "tool_choice",
    };

    /// <exception cref="NotSupportedException">An option cannot be honoured.</exception>
    public static void ThrowIfAny(ChatOptions options)
    {
        if (options.ConversationId is not null)
            throw Refusal(nameof(options.ConversationId), "this client keeps no history: send all messages with every request");
        if (options.Reasoning?.Output is { } output and not (ReasoningOutput.None or ReasoningOutput.Full))
            throw Refusal("Reasoning.Output", $"{output}: reasoning comes whole or not at all");
#pragma warning disable MEAI001 // experimental properties: they are only looked at in order to refuse them
        if (options.AllowBackgroundResponses == true)
            throw Refusal(nameof(options.AllowBackgroundResponses), "answers are made while the caller waits");
        if (options.ContinuationToken is not null)
            throw Refusal(nameof(options.ContinuationToken), "answers are made while the caller waits");
#pragma warning restore MEAI001
    }

    /// <summary>Judges a name in <c>AdditionalProperties</c> that this client does not read.</summary>
    /// <exception cref="ArgumentException">It looks like one of ours.</exception>
    /// <exception cref="NotSupportedException">It is another provider's setting that would change the answer.</exception>
    public static void ThrowIfMeant(string name)
    {
        if (name.StartsWith(KvOptionNames.Prefix, StringComparison.OrdinalIgnoreCase))
        {
            throw new ArgumentException(
                $"AdditionalProperties[\"{name}\"] is not a setting of this client; names that begin with \"{KvOptionNames.Prefix}\" are: "
                + $"{string.Join(", ", CompressionProperties.Names)}.", name);
        }

        if (ForeignSettings.Contains(name))
            throw new NotSupportedException($"AdditionalProperties[\"{name}\"] would change the answer, and this client does not know it under that name; use the properties of ChatOptions.");
    }

    public static NotSupportedException Refusal(string option, string why) => new($"ChatOptions.{option} cannot be honoured: {why}.");
}
