using System.Collections.Concurrent;

namespace KvChat.Runtime.Scheduling;

/// <content>Sequences that are read once and stay.</content>
public sealed partial class InferenceEngine
{
    private readonly ConcurrentQueue<PreparedState> _released = new();

    /// <summary>Reads a text and compresses it, and keeps its KVs until the handle is disposed. No token is drawn.</summary>
    /// <param name="request">The text and how it is compressed.</param>
    /// <param name="progress">Told of each step, not on the engine's thread; null for nobody.</param>
    /// <param name="cancellationToken">Ends the work within one step; its pages go back, and what it started from is untouched.</param>
    /// <exception cref="ArgumentException">A field is out of its range.</exception>
    /// <exception cref="KvQueueFullException">As many requests wait as may wait.</exception>
    /// <exception cref="KvCapacityException">The text could not be read even alone.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    /// <exception cref="GenerationFailedException">Reading failed, or the engine's loop has ended by an error.</exception>
    public async Task<PreparedSequence> PrepareAsync(PreparationRequest request, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var reading = new GenerationRequest { Prompt = request.Prompt, Spans = request.Spans, Compression = request.Compression, Start = request.Start };
        var preparation = new Preparation();
        Generation handle = Submit(reading, preparation, cancellationToken);
        _ = handle.Completion.ContinueWith(_ => preparation.End(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await foreach (PreparationProgress step in preparation.Progress.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            progress?.Report(step);
        await handle.Completion.ConfigureAwait(false);
        return new PreparedSequence(this, request with { Start = null }, preparation.State!);
    }

    /// <summary>Takes a holder from a prepared sequence; its pages go back with the last, on the engine's thread.</summary>
    internal void Release(PreparedState state)
    {
        if (!state.LetGo())
            return;
        _released.Enqueue(state);
        Wake();
    }
}
