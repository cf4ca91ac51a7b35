using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// The engine without its thread: owns all mutable state and does one step at a time. Plan (who decodes, who reads which piece of prompt), reserve pages,
/// run the transformer once, sample, publish, compress, release. Used from one thread.
/// </summary>
internal sealed partial class Scheduler : IDisposable
{
    /// <summary>Decoded tokens between two looks at what windows can forget.</summary>
    private const int ForgetInterval = 64;

    private readonly TransformerModel _model;
    private readonly EngineOptions _options;
    private readonly KvArena _arena;
    private readonly PagePool _pool;
    private readonly ForwardPass _pass;
    private readonly SequenceCompressor _compressor;
    private readonly HeldSequences _held = new();
    private readonly Queue<Session> _waiting = new();
    private readonly List<Session> _running = [];
    private readonly List<Piece> _pieces = [];
    private readonly KvBatch _batch = new();
    private readonly SamplerScratch _scratch = new();
    private readonly LogProbabilityReader _probabilities = new();
    private readonly SequenceCache[] _caches;
    private readonly int[] _tokens, _logitRows;
    private readonly bool[] _overHidden;
    private readonly float[] _logits;
    private readonly int[] _windows;
    private readonly int _pageTokens, _shortRotaryTokens;
    private long _ages, _uses, _steps, _promptTokens, _cachedTokens, _generated, _evicted, _preemptions, _pressure, _fullPeriods;
    private CompressionTimes _compressionTimes;
    private int _peakRunning;
    private bool _isFull;

    public Scheduler(TransformerModel model, EngineOptions options)
    {
        options.Validate();
        _model = model;
        _options = options;
        TransformerConfiguration c = model.Configuration;
        _pageTokens = options.PageTokens;
        ContextTokens = options.ContextTokens ?? c.ContextLength;
        int pages = PageCountFor(model, options);
        _arena = model.Backend.CreateArena(new KvArenaShape(c.HeadDim, options.PageTokens, pages));
        _pool = new PagePool(_arena);
        _compressor = new SequenceCompressor(new ScoringModel(model, options.PoolWidth));
        int rows = options.StepTokens + options.MaxSequences + ReadingPlan.MaxWindowRows;
        _windows = [.. c.PerLayer.Select(l => l.SlidingWindow)];
        _shortRotaryTokens = c.ShortRotaryTokens;
        Needs = new PageNeeds(_windows, c.KvHeads, _arena.Shape, rows + ForgetInterval);
        _pass = new ForwardPass(model, _arena, rows, options.MaxSequences);
        _caches = new SequenceCache[options.MaxSequences];
        _overHidden = new bool[options.MaxSequences];
        _tokens = new int[rows];
        _logitRows = new int[options.MaxSequences];
        _logits = new float[c.VocabularySize];
        _batch.Sequences = new SequenceSlice[options.MaxSequences];
        _batch.Positions = new int[rows];
        _batch.Heads = new HeadView[options.MaxSequences * c.KvHeads];
    }

    public PageNeeds Needs { get; }

    public int ContextTokens { get; }

    public int TotalPages => _pool.PageCount;

    public int BytesPerPage => _pool.BytesPerPage;

    /// <summary>Whether the back end has a format.</summary>
    public bool Supports(KvFormat format) => _arena.Supports(format);

    public int WaitingCount => _waiting.Count;

    /// <summary>Rows of the last step; none where it had nothing to do.</summary>
    public (int Prompt, int Answer) LastRows { get; private set; }

    public bool HasWork => _waiting.Count > 0 || _running.Count > 0;

    private TransformerConfiguration Shape => _model.Configuration;

    /// <summary>Puts a request behind those that wait.</summary>
    public void Enqueue(Session session)
    {
        session.Age = _ages++;

        // What a compressed start has computed cannot be computed again: its continuation keeps to its table.
        session.UsesLongRotary = session.CompressedStart?.UsesLongRotary ?? session.PromptLength > _shortRotaryTokens;
        _waiting.Enqueue(session);
    }

    /// <summary>Does one step.</summary>
    public void Step()
    {
        DropCancelled();
        Resume();
        NoteFull(isShort: !Admit());
        Plan();
        Reserve();
        LastRows = CountRows();
        if (_pieces.Count == 0)
            return;
        _steps++;
        _peakRunning = Math.Max(_peakRunning, ActiveCount());
        if (Run())
            Finish();
    }

    /// <summary>Ends everything that waits or runs.</summary>
    public void FailAll(Exception error)
    {
        while (_waiting.TryDequeue(out Session? session))
            Drop(session, error);
        for (int i = _running.Count - 1; i >= 0; i--)
            End(_running[i], error);
    }

    /// <summary>Gives the held sequences' pages back.</summary>
    public void DropHeld() => _held.Clear();

    /// <summary>Proves that every page is free or owned by exactly the tables that count it.</summary>
    public void Audit() => PoolAudit.Check(_pool, [.. _running.Where(static s => s.Cache is not null).Select(static s => s.Cache!), .. _held.Caches, .. _prepared.Select(static p => p.Cache)]);

    /// <summary>What is going on now; allocates nothing.</summary>
    public EngineCounters Counters()
    {
        int reading = 0, preempted = 0;
        foreach (Session session in _running)
        {
            reading += session.IsReadingPrompt && session.Swapped is null ? 1 : 0;
            preempted += session.Swapped is not null ? 1 : 0;
        }

        return new EngineCounters
        {
            TotalPages = _pool.PageCount,
            FreePages = _pool.FreePages,
            BytesPerPage = _pool.BytesPerPage,
            Running = _running.Count,
            Reading = reading,
            Preempted = preempted,
            Waiting = _waiting.Count,
            Held = _held.Count,
            Prepared = _prepared.Count,
            PeakRunning = _peakRunning,
            Steps = _steps,
            PromptTokens = _promptTokens,
            CachedTokens = _cachedTokens,
            GeneratedTokens = _generated,
            Evicted = _evicted,
            Preemptions = _preemptions,
            PressureCompressions = _pressure,
            CompressionTimes = _compressionTimes,
            IsFull = _isFull,
            FullPeriods = _fullPeriods,
        };
    }

    /// <summary>The same for callers.</summary>
    public EngineStatistics Statistics(bool faulted) => Counters().ToStatistics(faulted);

    public void Dispose()
    {
        FailAll(new ObjectDisposedException(nameof(InferenceEngine)));
        _held.Clear();
        _prepared.ForEach(static p => p.Dispose());
        _prepared.Clear();
        _pass.Dispose();
        _arena.Dispose();
    }

    private (int Prompt, int Answer) CountRows()
    {
        int prompt = 0, answer = 0;
        foreach (Piece piece in _pieces)
        {
            bool reads = piece.Session.IsReadingPrompt || piece.RepeatRows > 0;
            prompt += reads ? piece.AllRows : 0;
            answer += reads ? 0 : piece.AllRows;
        }

        return (prompt, answer);
    }

    private int ActiveCount()
    {
        int active = 0;
        foreach (Session session in _running)
            active += session.IsActive ? 1 : 0;
        return active;
    }

    /// <summary>Pages that the budget in bytes holds.</summary>
    private static int PageCountFor(TransformerModel model, EngineOptions options)
    {
        TransformerConfiguration c = model.Configuration;
        long pageBytes = new KvArenaShape(c.HeadDim, options.PageTokens, 1).PageImageBytes();
        long sequence = c.TotalKvHeads * (((options.ContextTokens ?? c.ContextLength) + options.PageTokens - 1L) / options.PageTokens) * pageBytes;
        long bytes = options.CacheBytes ?? DefaultCacheBytes(model.Backend.FreeMemoryBytes, sequence, options.MaxSequences);
        long pages = bytes / pageBytes;
        if (pages < c.TotalKvHeads)
        {
            throw new ArgumentException(
                $"EngineOptions.CacheBytes is {bytes}; it must be at least {c.TotalKvHeads * pageBytes}, a page for each of {c.TotalKvHeads} KV heads.", nameof(options));
        }

        return checked((int)Math.Min(pages, int.MaxValue / 2));
    }

    // A device's memory is there for nothing else, but activations and the device's own work need some of it, and what does not fit goes where it is slow.
    private static long DefaultCacheBytes(long? freeOnDevice, long sequence, int sequences) => freeOnDevice is { } free
        ? Math.Min(sequences * sequence, free / 4 * 3)
        : Math.Min(4 * sequence, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);

    /// <summary>What one session does in a step.</summary>
    /// <param name="Session">Whose rows.</param>
    /// <param name="Rows">Tokens read for good.</param>
    /// <param name="Stop">The compression stop that the piece reaches, or null.</param>
    /// <param name="RepeatRows">Rows of a pass that reads the prompt once more; nothing else is in the piece then.</param>
    private readonly record struct Piece(Session Session, int Rows, CompressionStop? Stop, int RepeatRows = 0)
    {
        public int SuffixRows => RepeatRows > 0 ? RepeatRows : Stop is { IsSuffix: true } stop ? stop.WindowLength : 0;

        public int AllRows => Rows + SuffixRows;
    }
}
