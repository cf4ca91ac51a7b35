using KvChat.Prompts;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;

namespace KvChat.Requests;

/// <summary>What a request's <c>ChatOptions</c> mean, checked.</summary>
internal sealed record RequestSettings
{
    public string? Instructions { get; init; }

    public required SamplingOptions Sampling { get; init; }

    public required KvCompression Compression { get; init; }

    public int? MaxOutputTokens { get; init; }

    public IReadOnlyList<string> StopSequences { get; init; } = [];

    public ThinkingSettings Thinking { get; init; }
}
