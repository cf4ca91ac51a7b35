using System.Diagnostics;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;

namespace KvChat.Benchmarks.Compression;

/// <summary>One request, alone in its scheduler.</summary>
/// <param name="Prefill">Milliseconds of each step until the prompt has been read and compressed.</param>
/// <param name="Decode">Milliseconds of each step behind.</param>
/// <param name="PrefillTimes">What of the first is compression.</param>
/// <param name="DecodeTimes">What of the second is compression.</param>
internal sealed record CostRun(IReadOnlyList<double> Prefill, IReadOnlyList<double> Decode, CompressionTimes PrefillTimes, CompressionTimes DecodeTimes);

/// <summary>A model that reads the same prompt and answers so many tokens under any settings.</summary>
internal sealed class CostSubject : IDisposable
{
    private readonly LoadedModel _model;
    private readonly Scheduler _scheduler;
    private readonly int[] _prompt;
    private readonly int _answer;
    private readonly bool _processorTime;

    /// <exception cref="ArgumentException">The model's context is too short.</exception>
    public CostSubject(string model, int threads, int prompt, int answer, bool processorTime)
    {
        _processorTime = processorTime;
        _model = LoadedModel.Load(model, new CpuBackendOptions { Threads = threads });
        if (prompt + answer > _model.Configuration.ContextLength)
            throw new ArgumentException($"--prompt {prompt} with --generate {answer} needs {prompt + answer} tokens; the model's context is {_model.Configuration.ContextLength}.");
        _scheduler = new Scheduler(_model.Transformer, new EngineOptions { HoldFinishedSequences = false });
        var random = new Random(1);
        _prompt = [.. Enumerable.Range(0, prompt).Select(_ => random.Next(_model.Configuration.VocabularySize))];
        _answer = answer;
    }

    public string Name => $"{_model.Name} on {_model.Transformer.Backend.Name}";

    /// <summary>Runs a request from its first step to its last.</summary>
    public CostRun Measure(KvCompression compression)
    {
        var request = new GenerationRequest { Prompt = _prompt, MaxOutputTokens = _answer, Compression = compression };
        var session = new Session(request, _answer, new Generation(_answer, static () => { }));
        _scheduler.Enqueue(session);
        List<double> prefill = [], decode = [];
        do
            prefill.Add(Step());
        while (session.IsReadingPrompt || session.Repeat is not null);
        CompressionTimes read = session.CompressionTimes;
        while (_scheduler.HasWork)
            decode.Add(Step());
        GenerationResult result = session.Handle.Completion.GetAwaiter().GetResult(); // it has ended
        return new CostRun(prefill, decode, read, result.Kvs.CompressionTimes - read);
    }

    private TimeSpan Now() => _processorTime ? Environment.CpuUsage.TotalTime : Stopwatch.GetElapsedTime(0);

    private double Step()
    {
        TimeSpan start = Now();
        _scheduler.Step();
        return (Now() - start).TotalMilliseconds;
    }

    public void Dispose()
    {
        _scheduler.Dispose();
        _model.Dispose();
    }
}
