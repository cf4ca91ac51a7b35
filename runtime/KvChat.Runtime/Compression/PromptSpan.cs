namespace KvChat.Runtime.Compression;

/// <summary>What a stretch of a prompt is, so that compression knows what it may touch and whose attention counts.</summary>
public enum PromptSpanKind
{
    /// <summary>Written by the chat template.</summary>
    Template,

    /// <summary>The system prompt.</summary>
    System,

    /// <summary>Definitions of tools.</summary>
    Tools,

    /// <summary>Messages before the newest one of the user.</summary>
    EarlierTurn,

    /// <summary>A document, or the long part of a message.</summary>
    Document,

    /// <summary>The newest message of the user.</summary>
    Question,
}

/// <summary>What may happen to the KVs of a stretch.</summary>
public enum KvRetention
{
    /// <summary>Compressed like any other.</summary>
    Compressible,

    /// <summary>Never evicted.</summary>
    Pinned,

    /// <summary>
    /// Not evicted while all such KVs take at most half of what the sequence may keep; beyond that compressed like any other, because a budget spent on the frame of a
    /// prompt leaves nothing for what the question is about.
    /// </summary>
    Preferred,

    /// <summary>Evicted before anything else.</summary>
    Droppable,
}

/// <summary>A stretch of a prompt, in tokens.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Position of its first token.</param>
/// <param name="Length">Number of tokens.</param>
/// <param name="Retention">What may happen to it.</param>
public readonly record struct PromptSpan(PromptSpanKind Kind, int Start, int Length, KvRetention Retention)
{
    /// <summary>Position behind the last token.</summary>
    public int End => Start + Length;
}
