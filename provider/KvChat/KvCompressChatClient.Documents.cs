using KvChat.Documents;
using KvChat.Loading;
using KvChat.Prompts;
using KvChat.Quality;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <content>Documents that are read once, and what the cache holds.</content>
public sealed partial class KvCompressChatClient
{
    /// <summary>
    /// Reads a document once, compresses it without a question, and keeps it in the cache until the handle is disposed. Requests that hold <see cref="KvDocument.AsContent"/> start from it: what
    /// was read is everything up to the document's end, so they must have the same system prompt and tools before it, and the document before any other text of the
    /// user; anything else is a <see cref="KvDocumentException"/>. Of several documents in a prompt the first is taken as it is here, and the others are read as text, which the usage counts
    /// (<see cref="KvUsageNames.DocumentTokensRead"/>). Where a request says nothing of compression, nothing more is dropped, and the document's pages are shared.
    /// </summary>
    /// <param name="text">The document.</param>
    /// <param name="options">How it is prepared; null for the defaults.</param>
    /// <param name="progress">Told of each step; null for nobody.</param>
    /// <param name="cancellationToken">Ends the reading within one step; its pages go back.</param>
    /// <exception cref="ArgumentException">The text is empty, or a setting is out of its range.</exception>
    /// <exception cref="KvCapacityException">The document does not fit into context or cache.</exception>
    /// <exception cref="KvQueueFullException">Too many requests wait.</exception>
    public async Task<KvDocument> PrepareDocumentAsync(
        string text, KvDocumentOptions? options = null, IProgress<KvDocumentProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        options ??= new KvDocumentOptions();
        options.Compression?.Validate();
        ServedModel served = await _host.GetAsync(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        KvCompression compression = (options.Compression ?? DefaultCompression.ForDocuments(served.Model.Name)) with { Query = CompressionQuery.Unknown };
        var chat = new ChatOptions { Instructions = options.Instructions, Tools = options.Tools };
        RequestSettings settings = _reader.Read(chat, Defaults(served, compression), served.Prompts.Traits);
        served.Allowance.Check([new ChatMessage(ChatRole.User, text)], options.Instructions);
        BuiltPrompt prompt = served.Prompts.Build([new ChatMessage(ChatRole.User, [new UnreadDocument(text), new TextContent("?")])], settings, _documents);
        int length = prompt.StartTokens;
        var request = new PreparationRequest
        {
            Prompt = prompt.Tokens.AsMemory(0, length),
            Spans = [.. prompt.Spans.Where(s => s.Start < length).Select(s => s with { Length = Math.Min(s.Length, length - s.Start) })],
            Compression = served.Quality.Settings(compression, QualityQuery.Unknown, length, _telemetry.Logger),
        };
        PreparedSequence sequence = await served.Engine.PrepareAsync(request, progress is null ? null : new DocumentSteps(progress), cancellationToken).ConfigureAwait(false);
        return Keep(text, options, sequence);
    }

    /// <summary>What the cache's budget holds; exact, by the engine's own arithmetic. The model must have been loaded.</summary>
    /// <param name="tokens">Tokens of a session, prompt and answer together.</param>
    /// <param name="compression">How it is compressed; null for the client's own setting.</param>
    /// <param name="answerTokens">How many of them are the answer's, for sessions that answer all at once; 0 for sessions that are only held, such as documents.</param>
    /// <exception cref="InvalidOperationException">The model has not been loaded: see <see cref="EnsureLoadedAsync(CancellationToken)"/>.</exception>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public CapacityPlan PlanCapacity(int tokens, KvCompression? compression = null, int answerTokens = 0)
    {
        ServedModel served = _host.Current ?? throw new InvalidOperationException("The model has not been loaded; await EnsureLoadedAsync first.");
        KvCompression wanted = compression ?? served.Compression;
        wanted.Validate();
        QualityQuery query = wanted.Query == CompressionQuery.Unknown ? QualityQuery.Unknown : QualityQuery.Known;
        return served.Engine.PlanCapacity(tokens, served.Quality.Settings(wanted, query, tokens, _telemetry.Logger), answerTokens);
    }

    private RequestDefaults Defaults(ServedModel served, KvCompression compression) => new(served.Sampling, compression, [ModelId, served.Model.Name, _options.Model]);

    /// <summary>Makes a prepared sequence a document of this client.</summary>
    internal KvDocument Keep(string text, KvDocumentOptions options, PreparedSequence sequence)
    {
        var document = new KvDocument(this, text, options, sequence, _documents.Remove);
        _documents.Add(document);
        return document;
    }
}
