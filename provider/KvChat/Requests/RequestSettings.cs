using KvChat.Prompts;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Tools;

namespace KvChat.Requests;

/// <summary>What a request's <c>ChatOptions</c> mean, checked.</summary>
internal sealed record RequestSettings
{
    public string? Instructions { get; init; }

    public required SamplingOptions Sampling { get; init; }

    public required KvCompression Compression { get; init; }

    /// <summary>Whether a quality was asked for and the model has no measurements.</summary>
    public bool IsQualityUnmeasured { get; init; }

    public int? MaxOutputTokens { get; init; }

    public IReadOnlyList<string> StopSequences { get; init; } = [];

    public ThinkingSettings Thinking { get; init; }

    /// <summary>Whether reasoning is given out.</summary>
    public bool ShowsReasoning { get; init; } = true;

    /// <summary>The form of the answer; null for any text.</summary>
    public AnswerForm? Form { get; init; }

    /// <summary>Null for none.</summary>
    public ToolSettings? Tools { get; init; }

    /// <summary>Most probable tokens to be told beside each drawn one; null where no log probabilities are wanted.</summary>
    public int? TopLogProbabilities { get; init; }
}
