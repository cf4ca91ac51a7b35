using System.Diagnostics;
using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Scheduling;

namespace KvChat.Gpu.Benchmarks;

/// <summary>The requests of a cell on an engine of their own.</summary>
internal sealed class EngineRun : IDisposable
{
    private const int PageTokens = 16, WarmUpAnswer = 4;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(10);

    private readonly EngineBenchmarkSettings _settings;
    private readonly KvCompression _compression;
    private readonly InferenceEngine _engine;
    private readonly StepLog _steps = new();
    private readonly Random _random = new(1);
    private readonly int _vocabulary;
    private long _asked;

    /// <summary>Makes the engine.</summary>
    /// <param name="model">Who answers.</param>
    /// <param name="settings">What is asked.</param>
    /// <param name="cell">How the cache is compressed.</param>
    /// <param name="memory">How many uncompressed requests the cache holds, prompt and answer.</param>
    public EngineRun(ShapeModel model, EngineBenchmarkSettings settings, EngineCell cell, int memory)
    {
        (_settings, _compression) = (settings, cell.Compression);
        _vocabulary = model.Transformer.Configuration.VocabularySize;
        _engine = new InferenceEngine(model.Transformer, new EngineOptions
        {
            CacheBytes = CacheBytes(model, settings, memory),
            PageTokens = PageTokens,
            MaxSequences = settings.Requests,
            MaxQueuedRequests = settings.Requests + 1,
            StepTokens = settings.StepTokens,
            ContextTokens = settings.Prompt + settings.Answer,
            HoldFinishedSequences = false,
        })
        { StepDone = step => _steps.Add(step.PromptRows, step.AnswerRows, step.Elapsed) };
    }

    /// <summary>What the engine has done.</summary>
    public EngineStatistics Statistics => _engine.GetStatistics();

    /// <summary>Share of the KVs of a request that it held when its last token was drawn, over all requests.</summary>
    public double KeptShare { get; private set; }

    /// <summary>Reads prompts alone, then serves all requests at once.</summary>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends the run; the requests are then cancelled.</param>
    /// <exception cref="GenerationFailedException">A request failed, for one because a launch did.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public EngineTimes Run(Action<string> progress, CancellationToken cancellationToken)
    {
        progress("warming up");
        Wait([Submit(Math.Min(WarmUpAnswer, _settings.Answer), cancellationToken)], progress);
        double promptSeconds = double.PositiveInfinity;
        for (int i = 0; i < _settings.Probes; i++)
            promptSeconds = Math.Min(promptSeconds, Wait([Submit(1, cancellationToken)], progress)[0].TimeToFirstToken.TotalSeconds);
        progress($"a prompt of {_settings.Prompt} tokens takes {promptSeconds:0.###} s; {_settings.Requests} requests begin");
        _steps.Clear();
        long start = Stopwatch.GetTimestamp();
        GenerationResult[] results = Wait([.. Enumerable.Range(0, _settings.Requests).Select(_ => Submit(_settings.Answer, cancellationToken))], progress);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Check(results);
        KeptShare = results.Average(result => (double)result.Kvs.Kept / result.Kvs.Seen);
        return new EngineTimes(_settings.Requests, _settings.Prompt, _settings.Answer, seconds, promptSeconds, _steps.SecondsPerAnswerToken(promptSeconds / _settings.Prompt), _steps.LargestBatch);
    }

    /// <inheritdoc/>
    public void Dispose() => _engine.Dispose();

    private static long CacheBytes(ShapeModel model, EngineBenchmarkSettings settings, int memory)
    {
        int pages = (settings.Prompt + settings.Answer + PageTokens - 1) / PageTokens, headDim = model.Transformer.Configuration.HeadDim;
        return (long)memory * model.Transformer.Configuration.TotalKvHeads * pages * new KvArenaShape(headDim, PageTokens, 1).PageImageBytes();
    }

    // No tokens end an answer, and no two prompts begin alike.
    private Generation Submit(int answer, CancellationToken cancellationToken)
    {
        int[] prompt = new int[_settings.Prompt];
        foreach (ref int token in prompt.AsSpan())
            token = _random.Next(_vocabulary);
        _asked += answer;
        return _engine.Submit(new GenerationRequest { Prompt = prompt, MaxOutputTokens = answer, Compression = _compression }, cancellationToken);
    }

    private GenerationResult[] Wait(Generation[] generations, Action<string> progress)
    {
        Task<GenerationResult[]> all = Task.WhenAll(generations.Select(generation => generation.Completion));
        while (Task.WaitAny([all], ProgressInterval) < 0)
        {
            EngineStatistics now = _engine.GetStatistics();
            progress($"{generations.Count(generation => generation.Completion.IsCompleted)} of {generations.Length} requests done, {now.Running} run, {now.Waiting} wait; {now.PromptTokens} prompt and {now.GeneratedTokens} answer tokens so far");
        }

        GenerationResult[] results = all.GetAwaiter().GetResult();

        // A request is done before its step is: the log has that step when the engine's statistics have its tokens.
        SpinWait.SpinUntil(() => _engine.GetStatistics().GeneratedTokens >= _asked);
        return results;
    }

    private void Check(GenerationResult[] results)
    {
        foreach (GenerationResult result in results)
        {
            if (result.PromptTokens != _settings.Prompt || result.CachedTokens != 0 || result.OutputTokens != _settings.Answer || result.End != GenerationEnd.Length)
                throw new InvalidOperationException($"A request has {result.PromptTokens} prompt tokens ({result.CachedTokens} of them not read) and {result.OutputTokens} answer tokens, and ended by {result.End}.");
        }
    }
}
