using Rag.Search;

namespace Rag.Answers;

/// <summary>An answer with where it comes from and what it took.</summary>
/// <param name="Text">What the model said.</param>
/// <param name="Citation">Where that stands; null where it stands nowhere.</param>
/// <param name="FirstToken">From the question to the first token of the answer, waiting included.</param>
/// <param name="TokensRead">Prompt tokens that were read for it.</param>
/// <param name="KvBytes">Bytes of KVs that the request held beside the resident document that it shares.</param>
/// <param name="Elapsed">From the question to the end of the answer.</param>
internal sealed record Answer(string Text, Citation? Citation, TimeSpan FirstToken, long TokensRead, long KvBytes, TimeSpan Elapsed);

/// <summary>A way to answer questions about the library. Safe for many users at once.</summary>
internal interface IAnswerer
{
    string Name { get; }

    /// <summary>Does once what all questions need.</summary>
    Task<Preparation> PrepareAsync(CancellationToken cancellationToken);

    Task<Answer> AskAsync(string question, CancellationToken cancellationToken);
}

/// <summary>What preparing took: prompt tokens read, bytes that stay in the KV budget, time.</summary>
internal sealed record Preparation(long TokensRead, long ResidentBytes, TimeSpan Time)
{
    public static Preparation None { get; } = new(0, 0, TimeSpan.Zero);
}
