using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>A text that is read once and then stays, so that requests start from it: see <see cref="InferenceEngine.PrepareAsync"/>.</summary>
public sealed record PreparationRequest
{
    /// <summary>Its tokens, at least one, from the start of the sequence.</summary>
    public required ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>What its stretches are. Without a question among them, what to keep is chosen by the text alone.</summary>
    public IReadOnlyList<PromptSpan> Spans { get; init; } = [];

    /// <summary>How it is compressed when it has been read; with the full cache, differently compressed copies can be made of it.</summary>
    public KvCompression Compression { get; init; } = KvCompression.Off;

    /// <summary>A prepared sequence that the tokens begin with; null to read all of them.</summary>
    public PreparedSequence? Start { get; init; }
}

/// <summary>How far the preparation of a sequence is.</summary>
/// <param name="TokensRead">Tokens whose KVs are there.</param>
/// <param name="TotalTokens">Tokens in all.</param>
/// <param name="KvsKept">KVs that are there, over all layers and KV heads.</param>
/// <param name="KvsEvicted">KVs that compression has evicted so far.</param>
public readonly record struct PreparationProgress(int TokensRead, int TotalTokens, long KvsKept, long KvsEvicted);
