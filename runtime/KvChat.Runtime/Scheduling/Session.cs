using System.Diagnostics;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>One request on its way through the engine. Owned by the engine's thread once it is queued.</summary>
internal sealed class Session
{
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private TimeSpan? _firstToken;

    public Session(GenerationRequest request, int maxOutput, Generation handle, Preparation? preparation = null)
    {
        Request = request;
        Preparation = preparation;
        Start = request.Start?.State;
        Handle = handle;
        PromptLength = request.Prompt.Length;
        MaxTokens = PromptLength + maxOutput;
        Tokens = new int[MaxTokens];
        request.Prompt.Span.CopyTo(Tokens);
        TokenCount = PromptLength;
        Constraint = request.Constraint?.Invoke(maxOutput);
        Sampler = new TokenSampler(request.Sampling, request.Prompt.Span);
        Plan = new ReadingPlan(Planned, request.Spans, PromptLength, 0);
        Observed = request.Compression.IsOff ? request.Compression with { Policy = CompressionPolicies.Standard, RetainedRatio = 0.5 } : request.Compression;
        Scorer = CompressionPolicies.Get(Observed.Policy).Scorer;
        Memory = request.Compression.DecodeInterval > 0 ? new ScorerMemory() : null;
        EffectiveRatio = MayEvict || request.Compression.IsOff ? null : 1;
    }

    public GenerationRequest Request { get; }

    public Generation Handle { get; }

    /// <summary>Set where the prompt is only read, to stay; null where an answer is drawn.</summary>
    public Preparation? Preparation { get; }

    /// <summary>The prepared sequence that it starts from; held while the session waits or runs.</summary>
    public PreparedState? Start { get; }

    /// <summary>The start, where it is not what reading its tokens would give: only sessions with the same one have comparable KVs.</summary>
    public PreparedState? CompressedStart => Start is { IsCompressed: true } ? Start : null;

    public TokenSampler Sampler { get; }

    /// <summary>What holds the answer to a form, or null.</summary>
    public ITokenConstraint? Constraint { get; }

    /// <summary>How its KVs get their scores.</summary>
    public IKvScorer Scorer { get; }

    /// <summary>Order of arrival; the engine serves the older one first.</summary>
    public long Age { get; set; }

    public int PromptLength { get; }

    public int MaxTokens { get; }

    /// <summary>Prompt and answer; the first <see cref="TokenCount"/> count.</summary>
    public int[] Tokens { get; }

    public int TokenCount { get; private set; }

    /// <summary>Tokens whose KVs are, or were, in the cache: the position of the next token to read.</summary>
    public int Read { get; set; }

    /// <summary>Whether it is read with the rotary table for long sequences, where the model has two.</summary>
    public bool UsesLongRotary { get; set; }

    /// <summary>Tokens taken over from a held sequence.</summary>
    public int Cached { get; private set; }

    public ReadingPlan Plan { get; private set; }

    /// <summary>Null until the session runs, and after its end.</summary>
    public SequenceCache? Cache { get; set; }

    /// <summary>Whether it runs and its pages are in the pool.</summary>
    public bool IsActive => Cache is not null && Swapped is null;

    /// <summary>The pages of a preempted session.</summary>
    public HostImage? Swapped { get; set; }

    /// <summary>Whose attention is in the scores.</summary>
    public ScoreHistory History { get; set; }

    /// <summary>What its scorer has found out about its KVs, where it is asked again while decoding; null where not.</summary>
    public ScorerMemory? Memory { get; }

    /// <summary>What is recorded: the request's own settings, or, with the full cache, what pressure would need.</summary>
    public KvCompression Observed { get; }

    /// <summary>Whether any KV was evicted.</summary>
    public bool IsCompressed { get; set; }

    public double? EffectiveRatio { get; set; }

    public long PeakBytes { get; private set; }

    public long KeptAtAnswer { get; private set; }

    public long BytesAtAnswer { get; private set; }

    public int Preemptions { get; set; }

    public int PressureCompressions { get; set; }

    /// <summary>Time spent on its compression.</summary>
    public CompressionTimes CompressionTimes { get; set; }

    /// <summary>Pages that admission counts on while the prompt is read.</summary>
    public long PromisedPages { get; set; }

    public bool IsReadingPrompt => Read < PromptLength;

    /// <summary>Whether anything may ever have to go; where the budget holds prompt and answer whole, nobody will look at what decoding rows record.</summary>
    public bool MayEvict => Request.Compression.UnderPressure || Request.Compression.RetainedKvs is not { } kvs || kvs < MaxTokens;

    /// <summary>Whether what the next decoding row records will be looked at: by pressure, or by a stop that comes before the answer's last token.</summary>
    public bool RecordsNext => MayEvict && (Request.Compression.UnderPressure || DecodeStopBehind(Read) < MaxTokens - 1L); // a stop's token must be followed by another, or the request has ended

    /// <summary>Whether the KVs may be compressed right behind the next decoding rows: by pressure at any time, by the request's own settings at its stops.</summary>
    public bool MayCompressBehind(int rows) => Request.Compression.UnderPressure || IsDecodeStop(Read + rows);

    /// <summary>Whether the KVs are compressed when that many tokens have been read: whenever the answer has grown by <see cref="KvCompression.DecodeInterval"/>.</summary>
    public bool IsDecodeStop(int read) => DecodeStopBehind(read - 1) == read;

    private long DecodeStopBehind(int read) =>
        Request.Compression.DecodeInterval is > 0 and int interval ? PromptLength + (((Math.Max(0, read - PromptLength) / interval) + 1L) * interval) : long.MaxValue;

    // Where nothing may ever go, a prompt is read as if there were no policy.
    private KvCompression Planned => MayEvict ? Request.Compression : Request.Compression with { Policy = CompressionPolicies.Off };

    public bool HasScores => History.WindowEnd > History.WindowStart;

    /// <summary>The pass over the prompt that is under way, or null.</summary>
    public RepeatPass? Repeat { get; set; }

    /// <summary>Prompt tokens that such passes have read.</summary>
    public int RepeatedEnd { get; set; }

    /// <summary>Starts from KVs that are still held.</summary>
    public void TakeOver(SequenceCache cache, int tokens, bool isCompressed)
    {
        Cache = cache;
        Read = Cached = tokens;
        IsCompressed = isCompressed;
        Plan = new ReadingPlan(Planned, Request.Spans, PromptLength, tokens);
    }

    /// <summary>Starts from nothing after all.</summary>
    public void GiveUpHeld()
    {
        Cache?.Dispose();
        Cache = null;
        Read = Cached = 0;
        IsCompressed = false;
        Plan = new ReadingPlan(Planned, Request.Spans, PromptLength, 0);
    }

    /// <summary>
    /// Starts from nothing because the sequence has outgrown the short rotary table: all that it computed holds for short sequences alone. The prompt is compressed
    /// where it was, the answer follows as it was drawn.
    /// </summary>
    public void ReadAgain()
    {
        Cache!.Truncate(0);
        Read = 0;
        IsCompressed = false;
        UsesLongRotary = true;
        History = default;
        Repeat = null;
        RepeatedEnd = 0;
        Plan = new ReadingPlan(Planned, Request.Spans, PromptLength, 0);
    }

    public void Append(int token, TokenLogProbabilities? probabilities = null)
    {
        _firstToken ??= Stopwatch.GetElapsedTime(_submitted);
        Tokens[TokenCount++] = token;
        if (probabilities is not null)
            Handle.Note(probabilities);
        Handle.Publish(token);
    }

    public void NoteMemory()
    {
        if (Cache is { } cache)
            PeakBytes = Math.Max(PeakBytes, cache.Bytes);
    }

    /// <summary>Called once the prompt has been read and compressed.</summary>
    public void NoteAnswerStart()
    {
        KeptAtAnswer = Cache!.KvCount;
        BytesAtAnswer = Cache.Bytes;
    }

    public GenerationResult Result(GenerationEnd end)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_submitted);
        SequenceCache cache = Cache!;
        return new GenerationResult
        {
            End = end,
            PromptTokens = PromptLength,
            CachedTokens = Cached,
            OutputTokens = TokenCount - PromptLength,
            TimeToFirstToken = _firstToken ?? elapsed,
            Elapsed = elapsed,
            Preemptions = Preemptions,
            Kvs = new KvStatistics
            {
                Seen = (long)Read * cache.KeptPerHead.Count,
                Kept = cache.KvCount,
                KeptLow = cache.LowKvCount,
                KeptAtAnswer = KeptAtAnswer,
                Bytes = cache.Bytes,
                BytesAtAnswer = BytesAtAnswer,
                PeakBytes = PeakBytes,
                EffectiveRatio = EffectiveRatio,
                PressureCompressions = PressureCompressions,
                CompressionTimes = CompressionTimes,
                KeptPerHead = [.. cache.KeptPerHead],
            },
        };
    }
}
