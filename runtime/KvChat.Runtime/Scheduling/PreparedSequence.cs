using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// A text whose KVs stay with the engine until this handle is disposed. Requests that name it in <see cref="GenerationRequest.Start"/> share its pages and copy only those
/// that they change, so what one of them does is never seen by another. When pages are short, an idle one waits in host memory and comes back bit for bit.
/// Safe for concurrent use.
/// </summary>
public sealed class PreparedSequence : IDisposable
{
    private readonly PreparationRequest _request;
    private int _disposed;

    internal PreparedSequence(InferenceEngine engine, PreparationRequest request, PreparedState state)
    {
        Engine = engine;
        State = state;
        _request = request;
    }

    /// <summary>Its tokens; a prompt that starts from it begins with all of them.</summary>
    public ReadOnlyMemory<int> Tokens => State.Tokens;

    /// <summary>What its stretches are.</summary>
    public IReadOnlyList<PromptSpan> Spans => _request.Spans;

    /// <summary>How it was compressed.</summary>
    public KvCompression Compression => _request.Compression;

    /// <summary>What became of its KVs.</summary>
    public KvStatistics Kvs => State.Result.Kvs;

    /// <summary>From the call to its being ready.</summary>
    public TimeSpan Elapsed => State.Result.Elapsed;

    /// <summary>Whether any KV was evicted.</summary>
    public bool IsCompressed => State.IsCompressed;

    /// <summary>Whether the handle has been disposed.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    internal InferenceEngine Engine { get; }

    internal PreparedState State { get; }

    /// <summary>
    /// A copy of this full sequence under other settings. It equals, bit for bit, what preparing the text under them would give, but only what the settings observe is read again: for
    /// compression after the prompt, its observation window. Under a schedule that compresses while reading, the first chunk alone can be shared.
    /// </summary>
    /// <param name="compression">The copy's settings; of another format, everything is read again.</param>
    /// <param name="progress">Told of each step; null for nobody.</param>
    /// <param name="cancellationToken">Ends the work within one step.</param>
    /// <exception cref="InvalidOperationException">This sequence is compressed itself: what it evicted cannot come back.</exception>
    /// <exception cref="ObjectDisposedException">The handle has been disposed.</exception>
    public Task<PreparedSequence> ForkAsync(KvCompression compression, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(compression);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (IsCompressed)
            throw new InvalidOperationException($"The sequence was compressed ({State.Result.Kvs.Evicted} KVs evicted), and what is gone cannot come back; make copies of one that was prepared with KvCompression.Off.");
        return Engine.PrepareAsync(_request with { Compression = compression, Start = this }, progress, cancellationToken);
    }

    /// <summary>Gives the pages back. Requests that were submitted before go on.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            Engine.Release(State);
    }
}
