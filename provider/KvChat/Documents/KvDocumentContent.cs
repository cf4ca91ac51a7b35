using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <summary>A <see cref="KvDocument"/> in a message. Serialised it is its id; <see cref="KvDocumentJson"/> makes JSON options know it.</summary>
[method: JsonConstructor]
public sealed class KvDocumentContent(string documentId) : AIContent
{
    /// <summary>The document's <see cref="KvDocument.Id"/>.</summary>
    public string DocumentId { get; } = documentId ?? throw new ArgumentNullException(nameof(documentId));

    /// <summary>The caller's name for it, or null.</summary>
    public string? Name { get; init; }

    /// <summary>The document itself, where the content has not been through JSON.</summary>
    internal KvDocument? Document { get; init; }
}
