using System.Collections.Concurrent;
using KvChat.Kernels;
using KvChat.Runtime.Compression;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// One document as its cells need it: read once per format with the full cache, and copied under the settings of every cell that compresses it without the question.
/// Cells whose question chooses start from the full one. Safe for concurrent use.
/// </summary>
/// <param name="client">Who reads.</param>
/// <param name="text">The document.</param>
/// <param name="instructions">The system prompt before it, or null.</param>
internal sealed class DocumentCopies(KvCompressChatClient client, string text, string? instructions) : IDisposable
{
    private readonly ConcurrentDictionary<(KvFormat, KvFormat?), Lazy<Task<KvDocument>>> _full = new();
    private readonly ConcurrentDictionary<string, Lazy<Task<KvDocument>>> _copies = new();

    /// <summary>Times that the whole text was read for its full cache.</summary>
    public int Readings => _full.Count;

    /// <summary>Whether a cell's cache is compressed before its questions come, whatever it calls itself: keys alone, or a repeat pass, never look at a question.</summary>
    public static bool IsCopied(GridCell cell) =>
        !cell.IsFull && (cell.Query == CompressionQuery.Unknown || CompressionPolicies.Get(cell.Policy).Scorer.IsQueryAgnostic);

    /// <summary>What the questions of a cell start from.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="cancellationToken">Ends the reading; whoever else waits for the same copy is ended with it.</param>
    public async Task<KvDocument> OfAsync(GridCell cell, CancellationToken cancellationToken)
    {
        KvDocument full = await _full.GetOrAdd((cell.Format, cell.LowFormat), _ => new(() => ReadAsync(cell, cancellationToken))).Value.ConfigureAwait(false);
        return IsCopied(cell)
            ? await _copies.GetOrAdd(cell.Key, _ => new(() => full.ForkAsync(cell.Compression(), cancellationToken: cancellationToken))).Value.ConfigureAwait(false)
            : full;
    }

    /// <summary>Gives a cell's copy back when its questions are answered.</summary>
    public void Release(GridCell cell)
    {
        if (_copies.TryRemove(cell.Key, out Lazy<Task<KvDocument>>? copy))
            Dispose(copy);
    }

    public void Dispose()
    {
        foreach (Lazy<Task<KvDocument>> document in _copies.Values.Concat(_full.Values))
            Dispose(document);
    }

    /// <summary>The full cache of a cell's formats, as a request for it has it.</summary>
    public static KvCompression Plain(GridCell cell) => KvCompression.Off with { Format = cell.Format, LowFormat = cell.LowFormat };

    private Task<KvDocument> ReadAsync(GridCell cell, CancellationToken cancellationToken) => client.PrepareDocumentAsync(
        text, new KvDocumentOptions { Instructions = instructions, Compression = Plain(cell) }, cancellationToken: cancellationToken);

    private static void Dispose(Lazy<Task<KvDocument>> document)
    {
        if (document.IsValueCreated)
            _ = document.Value.ContinueWith(t => t.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
    }
}
