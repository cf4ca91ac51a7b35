using System.Collections.Concurrent;
using System.Diagnostics;
using KvChat;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;
using Rag.Reading;
using Rag.Search;

namespace Rag.Answers;

/// <summary>
/// The other way: every document is read and compressed once, without sight of any question, and stays in the KV budget; a question goes to the best few documents, shares their pages
/// with whoever else asks, and reads only itself.
/// </summary>
internal sealed class ResidentAnswerer(KvCompressChatClient client, Library library, RagOptions options) : IAnswerer, IDisposable
{
    private readonly SemaphoreSlim _preparing = new(1);
    private readonly ConcurrentDictionary<SourceDocument, KvDocument> _resident = new();
    private Preparation? _prepared;

    public string Name => "resident";

    /// <summary>Reads all documents; what was done stays done.</summary>
    public async Task<Preparation> PrepareAsync(CancellationToken cancellationToken)
    {
        await _preparing.WaitAsync(cancellationToken);
        try
        {
            return _prepared ??= await ReadAsync(cancellationToken);
        }
        finally
        {
            _preparing.Release();
        }
    }

    public async Task<Answer> AskAsync(string question, CancellationToken cancellationToken)
    {
        Answer? best = null;
        long start = Stopwatch.GetTimestamp(), read = 0;
        foreach (SourceDocument document in library.FindDocuments(question, options.Documents))
        {
            TimeSpan before = Stopwatch.GetElapsedTime(start);
            Answer answer = await AskAsync(document, question, cancellationToken);
            read += answer.TokensRead;
            Answer timed = answer with { FirstToken = before + answer.FirstToken, TokensRead = read, Elapsed = Stopwatch.GetElapsedTime(start) };
            if (answer.Citation is not null)
                return timed; // it stands there, so nobody else need be asked
            best ??= timed;
        }

        return best is null
            ? new Answer("No document has a word of the question.", null, Stopwatch.GetElapsedTime(start), 0, 0, Stopwatch.GetElapsedTime(start))
            : best with { TokensRead = read, Elapsed = Stopwatch.GetElapsedTime(start) };
    }

    public void Dispose()
    {
        foreach (KvDocument document in _resident.Values)
            document.Dispose();
        _preparing.Dispose();
    }

    private async Task<Preparation> ReadAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        KvCompression compression = (options.RetainedRatio >= 1
            ? KvCompression.Off
            : new KvCompression { RetainedRatio = options.RetainedRatio, Schedule = CompressionSchedule.WhileReading, ChunkTokens = 256, Query = CompressionQuery.Unknown }) with { Format = options.Format };
        foreach (SourceDocument source in library.Documents)
        {
            var how = new KvDocumentOptions { Name = source.Name, Instructions = Asking.Instructions, Compression = compression };
            _resident[source] = await client.PrepareDocumentAsync(source.Text, how, null, cancellationToken);
        }

        return new Preparation(_resident.Values.Sum(d => (long)d.Usage.Tokens), _resident.Values.Sum(d => d.Usage.Bytes), Stopwatch.GetElapsedTime(start));
    }

    private async Task<Answer> AskAsync(SourceDocument document, string question, CancellationToken cancellationToken)
    {
        ChatOptions asked = new() { Instructions = Asking.Instructions, Temperature = 0, MaxOutputTokens = options.MaxAnswerTokens };
        KvDocument resident = _resident[document];
        ChatMessage message = new(ChatRole.User, [resident.AsContent(), new TextContent(question)]);
        Asked answer = await Asking.AskAsync(client, [message], asked, cancellationToken);
        Citation? citation = library.Cite(question, answer.Text, [.. library.Passages.Where(p => p.Source == document)]);
        return new Answer(answer.Text, citation, answer.FirstToken, answer.TokensRead, Math.Max(0, answer.Kvs.Bytes - resident.Usage.Bytes), answer.Elapsed);
    }
}
