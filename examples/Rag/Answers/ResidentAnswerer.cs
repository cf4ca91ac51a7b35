using System.Diagnostics;
using KvChat;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;
using Rag.Reading;
using Rag.Search;

namespace Rag.Answers;

/// <summary>
/// The other way: every document is read once, compressed while it is read, and stays in the KV budget; a question goes to the best few documents and reads only itself. Each document is a
/// conversation that goes on: the engine finds its KVs again because the history is the same. Should the budget be too small for all, what was used least is read again.
/// </summary>
internal sealed class ResidentAnswerer(IChatClient client, Library library, RagOptions options) : IAnswerer, IDisposable
{
    /// <summary>Says nothing about what will be asked: the document is compressed without sight of any question.</summary>
    private const string Opening = "What is this about?";

    private readonly SemaphoreSlim _preparing = new(1);
    private Preparation? _prepared;
    private readonly Dictionary<SourceDocument, Conversation> _conversations = library.Documents.ToDictionary(d => d, d => new Conversation());

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

    private async Task<Preparation> ReadAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp(), read = 0, bytes = 0;
        await Parallel.ForEachAsync(_conversations, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = cancellationToken }, async (c, cancel) =>
        {
            Answer answer = await TurnAsync(c.Key, [new TextContent(c.Key.Text), new TextContent(Opening)], cancel);
            Interlocked.Add(ref read, answer.TokensRead);
            Interlocked.Add(ref bytes, answer.KvBytes);
        });
        return new Preparation(read, bytes, Stopwatch.GetElapsedTime(start));
    }

    public async Task<Answer> AskAsync(string question, CancellationToken cancellationToken)
    {
        Answer? best = null;
        long start = Stopwatch.GetTimestamp(), read = 0;
        foreach (SourceDocument document in library.FindDocuments(question, options.Documents))
        {
            TimeSpan before = Stopwatch.GetElapsedTime(start);
            Answer answer = await TurnAsync(document, [new TextContent(question)], cancellationToken);
            read += answer.TokensRead;
            best = answer with { FirstToken = before + answer.FirstToken, TokensRead = read, Elapsed = Stopwatch.GetElapsedTime(start) };
            if (answer.Citation is not null)
                break; // it stands there, so nobody else need be asked
        }

        return best ?? new Answer("No document has a word of the question.", null, Stopwatch.GetElapsedTime(start), 0, 0, Stopwatch.GetElapsedTime(start));
    }

    public void Dispose()
    {
        _preparing.Dispose();
        foreach (Conversation conversation in _conversations.Values)
            conversation.Turn.Dispose();
    }

    /// <summary>One turn of a document's conversation; turns of one document come one after another, those of several side by side.</summary>
    private async Task<Answer> TurnAsync(SourceDocument document, IList<AIContent> contents, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        Conversation conversation = _conversations[document];
        await conversation.Turn.WaitAsync(cancellationToken);
        try
        {
            TimeSpan waited = Stopwatch.GetElapsedTime(start);
            ChatOptions asked = new ChatOptions { Instructions = Asking.Instructions, Temperature = 0, MaxOutputTokens = options.MaxAnswerTokens }.WithKvCompression(Compression);
            ChatMessage message = new(ChatRole.User, contents);
            Asked turn = await Asking.AskAsync(client, [.. conversation.History, message], asked, cancellationToken);
            conversation.History.Add(message);
            conversation.History.AddRange(turn.Messages);
            return new Answer(turn.Text, Cite(contents.OfType<TextContent>().Last().Text, turn.Text, document), waited + turn.FirstToken, turn.TokensRead, turn.Kvs.Bytes, Stopwatch.GetElapsedTime(start));
        }
        finally
        {
            conversation.Turn.Release();
        }
    }

    private KvCompression Compression => options.RetainedRatio >= 1
        ? KvCompression.Off with { Format = options.Format }
        : new KvCompression
        {
            RetainedRatio = options.RetainedRatio,
            Format = options.Format,
            Schedule = CompressionSchedule.WhileReading,
            ChunkTokens = 256,
            Query = CompressionQuery.Unknown,
        };

    private Citation? Cite(string question, string answer, SourceDocument document) => library.Cite(question, answer, [.. library.Passages.Where(p => p.Source == document)]);

    private sealed class Conversation
    {
        public List<ChatMessage> History { get; } = [];

        public SemaphoreSlim Turn { get; } = new(1);
    }
}
