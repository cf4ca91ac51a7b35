using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <summary>
/// How a document is prepared. What stands before it in a prompt is read with it: requests must have the same instructions (or system messages) and the same tools.
/// </summary>
public sealed class KvDocumentOptions
{
    /// <summary>The caller's name for the document, or null.</summary>
    public string? Name { get; set; }

    /// <summary>The system prompt that requests will have; null for none.</summary>
    public string? Instructions { get; set; }

    /// <summary>The tools that requests will have; null for none.</summary>
    public IList<AITool>? Tools { get; set; }

    /// <summary>
    /// How it is compressed. Its <see cref="KvCompression.Query"/> is always taken as unknown, since there is no question yet. Null for <see cref="DefaultCompression.ForDocuments"/>.
    /// </summary>
    public KvCompression? Compression { get; set; }
}

/// <summary>How far the preparation of a document is.</summary>
/// <param name="TokensRead">Tokens read.</param>
/// <param name="TotalTokens">Tokens in all.</param>
/// <param name="KvsKept">KVs that are there, over all layers and KV heads.</param>
/// <param name="KvsEvicted">KVs that compression has dropped so far.</param>
public readonly record struct KvDocumentProgress(int TokensRead, int TotalTokens, long KvsKept, long KvsEvicted);

/// <summary>A request's document is unknown, or stands behind another prompt than it was prepared for.</summary>
public sealed class KvDocumentException(string documentId, string message) : Exception(message)
{
    /// <summary>The document's <see cref="KvDocument.Id"/>.</summary>
    public string DocumentId { get; } = documentId;
}
