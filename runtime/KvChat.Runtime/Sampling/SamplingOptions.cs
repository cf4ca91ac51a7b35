namespace KvChat.Runtime.Sampling;

/// <summary>How the next token is drawn from the logits. The default is greedy.</summary>
public sealed record SamplingOptions
{
    /// <summary>Divides the logits; 0 is greedy.</summary>
    public float Temperature { get; init; }

    /// <summary>Keeps the k most probable tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the most probable tokens that together reach this probability; 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Keeps tokens at least this share as probable as the best one; 0 keeps all.</summary>
    public float MinP { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens seen in the prompt or answer (CTRL, arXiv 1909.05858); 1 changes nothing.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted from the logit of a token once per time that the answer holds it already.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Subtracted from the logit of a token that the answer holds already.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Seed of the draws; the same seed gives the same tokens, whatever else runs. Null draws one.</summary>
    public long? Seed { get; init; }

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">A field is out of its range; the message names it, its value and what would be right.</exception>
    public void Validate()
    {
        Check.Field(Temperature is >= 0 and <= 100, nameof(SamplingOptions), nameof(Temperature), Temperature, "from 0 to 100");
        Check.Field(TopK >= 0, nameof(SamplingOptions), nameof(TopK), TopK, "0 (all) or more");
        Check.Field(TopP is > 0 and <= 1, nameof(SamplingOptions), nameof(TopP), TopP, "above 0 and at most 1");
        Check.Field(MinP is >= 0 and <= 1, nameof(SamplingOptions), nameof(MinP), MinP, "from 0 to 1");
        Check.Field(RepetitionPenalty is > 0 and <= 100, nameof(SamplingOptions), nameof(RepetitionPenalty), RepetitionPenalty, "above 0 and at most 100");
        Check.Field(FrequencyPenalty is >= -100 and <= 100, nameof(SamplingOptions), nameof(FrequencyPenalty), FrequencyPenalty, "from -100 to 100");
        Check.Field(PresencePenalty is >= -100 and <= 100, nameof(SamplingOptions), nameof(PresencePenalty), PresencePenalty, "from -100 to 100");
    }
}
