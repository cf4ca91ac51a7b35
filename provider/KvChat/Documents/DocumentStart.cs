using KvChat.Prompts;
using KvChat.Runtime.Scheduling;

namespace KvChat.Documents;

/// <summary>Finds out what a prompt starts from.</summary>
internal static class DocumentStart
{
    /// <summary>The sequence of the prompt's first document; null without one.</summary>
    /// <exception cref="KvDocumentException">The prompt has something else before the document than was prepared.</exception>
    /// <exception cref="ObjectDisposedException">The document has been disposed.</exception>
    public static PreparedSequence? Of(BuiltPrompt prompt)
    {
        if (prompt.Documents.Count == 0 || prompt.Documents[0].Document is not { } document)
            return null;
        ObjectDisposedException.ThrowIf(document.IsDisposed, document);
        ReadOnlySpan<int> prepared = document.Sequence.Tokens.Span, now = prompt.Tokens.AsSpan(0, prompt.StartTokens);
        if (now.SequenceEqual(prepared))
            return document.Sequence;
        throw new KvDocumentException(
            document.Id,
            $"Document \"{document.Name ?? document.Id}\" was prepared behind another prompt: of the {prepared.Length} tokens up to its end the request has the first {now.CommonPrefixLength(prepared)}. "
            + "System prompt (Instructions), tools and everything before the document must be as in KvDocumentOptions; prepare the document with those, or send its text.");
    }
}
