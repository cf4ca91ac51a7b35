using KvChat.Documents;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;

namespace KvChat;

/// <summary>
/// A document that was read and compressed once, without a question, and stays in the cache until it is disposed: see <see cref="KvCompressChatClient.PrepareDocumentAsync"/>.
/// Questions about it share its pages and read only themselves. Safe for concurrent use.
/// </summary>
public sealed class KvDocument : IDisposable
{
    private readonly Action<KvDocument> _forget;
    private int _disposed;

    internal KvDocument(KvCompressChatClient client, string text, KvDocumentOptions options, PreparedSequence sequence, Action<KvDocument> forget)
    {
        Client = client;
        Text = text;
        Name = options.Name;
        Sequence = sequence;
        _forget = forget;
        KvStatistics kvs = sequence.Kvs;
        Usage = new KvDocumentUsage(sequence.Tokens.Length, kvs.Seen, kvs.Kept, kvs.Bytes, kvs.PeakBytes, sequence.Elapsed);
    }

    /// <summary>Names the document in <c>AdditionalProperties</c> (<see cref="KvOptionNames.Document"/>), for callers that cannot pass <see cref="AsContent"/> on.</summary>
    public string Id { get; } = $"kvdoc_{Guid.NewGuid():N}";

    /// <summary>The caller's name for it, or null.</summary>
    public string? Name { get; }

    /// <summary>Its text.</summary>
    public string Text { get; }

    /// <summary>How it was compressed.</summary>
    public KvCompression Compression => Sequence.Compression;

    /// <summary>What reading it took and what is left of it.</summary>
    public KvDocumentUsage Usage { get; }

    /// <summary>Whether it has been disposed.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    internal KvCompressChatClient Client { get; }

    internal PreparedSequence Sequence { get; }

    /// <summary>The document as a content of a user's message, before the question.</summary>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public KvDocumentContent AsContent()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return new KvDocumentContent(Id) { Name = Name, Document = this };
    }

    /// <summary>
    /// A copy of this document, which must have its full cache, under other settings: the same as preparing its text under them, but what the settings do not observe is not read again.
    /// The copy has an id and a life of its own.
    /// </summary>
    /// <param name="compression">The copy's settings; its <see cref="KvCompression.Query"/> is taken as unknown. With other formats, everything is read again.</param>
    /// <param name="progress">Told of each step; null for nobody.</param>
    /// <param name="cancellationToken">Ends the work within one step.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    /// <exception cref="InvalidOperationException">This document is compressed itself: what it dropped cannot come back.</exception>
    /// <exception cref="ObjectDisposedException">It has been disposed.</exception>
    public async Task<KvDocument> ForkAsync(KvCompression compression, IProgress<KvDocumentProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(compression);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        compression.Validate();
        PreparedSequence copy = await Sequence.ForkAsync(Client.ForDocument(compression with { Query = CompressionQuery.Unknown }, Usage.Tokens), progress is null ? null : new DocumentSteps(progress), cancellationToken).ConfigureAwait(false);
        return Client.Keep(Text, new KvDocumentOptions { Name = Name }, copy);
    }

    /// <summary>Gives its pages back. Requests that were made before go on.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _forget(this);
        Sequence.Dispose();
    }
}

/// <summary>What a document took, KVs counted over all layers and KV heads.</summary>
/// <param name="Tokens">Tokens of the document with all that stands before it in a prompt.</param>
/// <param name="Seen">KVs that were read.</param>
/// <param name="Kept">KVs that stay.</param>
/// <param name="Bytes">Bytes of its pages, metadata included.</param>
/// <param name="PeakBytes">Most bytes of pages while it was read.</param>
/// <param name="Elapsed">From the call to its being ready.</param>
public sealed record KvDocumentUsage(int Tokens, long Seen, long Kept, long Bytes, long PeakBytes, TimeSpan Elapsed)
{
    /// <summary>KVs that compression dropped.</summary>
    public long Evicted => Seen - Kept;

    /// <summary>Share of the KVs that is kept, from 0 to 1.</summary>
    public double RetainedRatio => Seen == 0 ? 1 : (double)Kept / Seen;
}
