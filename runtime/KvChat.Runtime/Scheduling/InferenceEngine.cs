using System.Collections.Concurrent;
using System.Diagnostics;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// Serves many sequences of one model from one pool of pages. Continuous batching: prompts in pieces and decoding sequences share steps. A loop on its own
/// thread owns all state; callers only ever queue requests and read tokens.
/// </summary>
public sealed partial class InferenceEngine : IAsyncDisposable, IDisposable
{
    private readonly Scheduler _scheduler;
    private readonly EngineOptions _options;
    private readonly ConcurrentQueue<Session> _submitted = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _loop;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _statisticsGate = new();
    private EngineCounters _statistics;
    private volatile Exception? _fault;
    private volatile bool _disposing;
    private int _queued;
    private double _secondsPerRequest = 1;

    /// <summary>Makes the pool and starts the loop.</summary>
    /// <param name="model">The weights; they must outlive the engine, and no other engine may run on them, or on their back end, at the same time.</param>
    /// <param name="options">Settings.</param>
    /// <exception cref="ArgumentException">A setting is out of its range, or the cache budget holds not even a page per head.</exception>
    public InferenceEngine(TransformerModel model, EngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        Model = model;
        _options = options;
        _scheduler = new Scheduler(model, options);
        _statistics = _scheduler.Counters();
        _loop = new Thread(Loop) { IsBackground = true, Name = "KvChat engine" };
        _loop.Start();
    }

    /// <summary>The model that answers.</summary>
    public TransformerModel Model { get; }

    /// <summary>Longest sequence.</summary>
    public int ContextTokens => _scheduler.ContextTokens;

    /// <summary>Told of every step that had rows, on the engine's thread. To be set before the first request.</summary>
    internal Action<StepReport>? StepDone { get; set; }

    /// <summary>Whether the back end can store KVs in a format.</summary>
    public bool Supports(KvFormat format) => _scheduler.Supports(format);

    /// <summary>Queues a request.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellationToken">Cancels the request within one step.</param>
    /// <exception cref="ArgumentException">A field is out of its range.</exception>
    /// <exception cref="KvQueueFullException">As many requests wait as may wait.</exception>
    /// <exception cref="KvCapacityException">The request could not be served even alone.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    /// <exception cref="GenerationFailedException">The engine's loop has ended by an error.</exception>
    public Generation Submit(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Submit(request, null, cancellationToken);
    }

    private Generation Submit(GenerationRequest request, Preparation? preparation, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposing, this);
        if (_fault is { } fault)
            throw new GenerationFailedException("The engine has ended by an error.", fault);
        request.Compression.Validate();
        RequestChecks.Check(request, Model.Configuration.VocabularySize);
        RequestChecks.CheckStart(request, this, mayEqual: preparation is not null);
        int output = preparation is null ? RequestChecks.OutputTokens(request, _scheduler) : RequestChecks.CheckPreparation(request, _scheduler);
        int queued = Interlocked.Increment(ref _queued);
        if (queued > _options.MaxQueuedRequests)
        {
            Interlocked.Decrement(ref _queued);
            throw new KvQueueFullException(queued - 1, TimeSpan.FromSeconds(Math.Clamp(Volatile.Read(ref _secondsPerRequest), 0.05, 600)));
        }

        var handle = new Generation(output, Wake);
        var session = new Session(request, output, handle, preparation);
        if (session.Start?.TryHold() == false)
        {
            Interlocked.Decrement(ref _queued);
            throw new ObjectDisposedException(nameof(PreparedSequence));
        }

        handle.Registration = cancellationToken.UnsafeRegister(static g => ((Generation)g!).Cancel(), handle);
        _submitted.Enqueue(session);
        Wake();
        if (_ended.Task.IsCompleted)
            FailSubmitted();
        return handle;
    }

    /// <summary>What the engine is doing: a snapshot that is at most a step old.</summary>
    public EngineStatistics GetStatistics()
    {
        EngineCounters counters;
        lock (_statisticsGate)
            counters = _statistics;
        return counters.ToStatistics(_fault is not null);
    }

    /// <summary>Ends every request and gives the pool's memory back.</summary>
    public void Dispose()
    {
        if (_disposing)
            return;
        _disposing = true;
        Wake();
        if (Thread.CurrentThread != _loop)
            _loop.Join();
        _wake.Dispose();
    }

    /// <summary>Ends every request and gives the pool's memory back.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposing)
            return;
        _disposing = true;
        Wake();
        await _ended.Task.ConfigureAwait(false);
        _loop.Join();
        _wake.Dispose();
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (ObjectDisposedException)
        {
            // A handle outlived the engine; there is nobody left to wake.
        }
    }

    private void Loop()
    {
        try
        {
            while (!_disposing)
            {
                if (!_scheduler.HasWork && _submitted.IsEmpty)
                    _wake.Wait();

                while (_wake.Wait(0))
                {
                }

                Take();
                long start = Stopwatch.GetTimestamp();
                _scheduler.Step();
                if (StepDone is { } told && _scheduler.LastRows is (int prompt, int answer) && prompt + answer > 0)
                    told(new StepReport(prompt, answer, Stopwatch.GetElapsedTime(start)));
                Volatile.Write(ref _queued, _scheduler.WaitingCount + _submitted.Count);
                PublishStatistics();
            }
        }
        catch (Exception error)
        {
            _fault = error;
            _scheduler.FailAll(new GenerationFailedException($"The engine has ended by an error: {error.Message}", error));
        }

        _ended.TrySetResult();
        FailSubmitted();
        PublishStatistics();
        _scheduler.Dispose();
    }

    private void PublishStatistics()
    {
        EngineCounters counters = _scheduler.Counters();
        lock (_statisticsGate)
            _statistics = counters;
    }

    private void Take()
    {
        while (_submitted.TryDequeue(out Session? session))
            _scheduler.Enqueue(session);
        while (_released.TryDequeue(out PreparedState? state))
            _scheduler.Release(state);
    }

    private void FailSubmitted()
    {
        while (_submitted.TryDequeue(out Session? session))
            session.Handle.Fail(_fault is null ? new ObjectDisposedException(nameof(InferenceEngine)) : new GenerationFailedException("The engine has ended by an error.", _fault));
    }
}
