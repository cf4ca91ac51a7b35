using System.Collections.Concurrent;
using KvChat.Requests;
using Microsoft.Extensions.AI;

namespace KvChat.Documents;

/// <summary>A document's text where a prompt is built; its sequence is null while it is being prepared.</summary>
internal sealed record ResidentText(string Id, string Text, KvDocument? Document);

/// <summary>A document that is only being prepared, as a content of the prompt that ends with it.</summary>
internal sealed class UnreadDocument(string text) : AIContent
{
    public ResidentText Text { get; } = new("", text, null);
}

/// <summary>The documents of one client by id. Safe for concurrent use.</summary>
internal sealed class DocumentStore(KvCompressChatClient client)
{
    private readonly ConcurrentDictionary<string, KvDocument> _documents = new(StringComparer.Ordinal);

    public void Add(KvDocument document) => _documents[document.Id] = document;

    public void Remove(KvDocument document) => _documents.TryRemove(document.Id, out _);

    /// <summary>The first document of a conversation, or null.</summary>
    public KvDocument? First(IEnumerable<ChatMessage> messages)
    {
        foreach (ChatMessage message in messages)
        {
            ResidentText? first = message is null ? null : Of(message) ?? message.Contents.Select(Of).FirstOrDefault(t => t is not null);
            if (first is not null)
                return first.Document;
        }

        return null;
    }

    /// <summary>The document that a message's properties name, or null.</summary>
    public ResidentText? Of(ChatMessage message) => Named(message.AdditionalProperties);

    /// <summary>The document that a content is or names, or null.</summary>
    /// <exception cref="KvDocumentException">There is no such document.</exception>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public ResidentText? Of(AIContent content) => content switch
    {
        UnreadDocument unread => unread.Text,
        KvDocumentContent { Document: { } document } => Checked(document),
        KvDocumentContent { DocumentId: { } id } => Find(id),
        _ => Named(content.AdditionalProperties),
    };

    private ResidentText? Named(AdditionalPropertiesDictionary? properties) =>
        properties is not null && properties.TryGetValue(KvOptionNames.Document, out object? value) && !LooseValue.IsNull(value) ? Find(LooseValue.Text(KvOptionNames.Document, value)) : null;

    private ResidentText Find(string id) => _documents.TryGetValue(id, out KvDocument? document)
        ? Checked(document)
        : throw new KvDocumentException(id, $"This client has no document \"{id}\": it has been disposed, or is another client's.");

    private ResidentText Checked(KvDocument document)
    {
        if (document.Client != client)
            throw new KvDocumentException(document.Id, $"Document \"{document.Id}\" was prepared by another client; prepare it with the one that is asked.");
        ObjectDisposedException.ThrowIf(document.IsDisposed, document);
        return new ResidentText(document.Id, document.Text, document);
    }
}
