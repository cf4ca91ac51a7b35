using System.Diagnostics;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;

namespace KvChat.Gpu.Engine;

/// <summary>Requests that the engine serves side by side.</summary>
internal sealed record EngineCase(string Name, KvCompression Compression)
{
    private const int AnswerTokens = 8;

    /// <summary>How many of the prompts are asked at once.</summary>
    public int Sessions { get; init; } = 1;

    /// <summary>Greedy answers of a model, which is disposed of.</summary>
    public EngineAnswers Answer(LoadedModel model, int[][] prompts, Func<long>? graphLaunches = null)
    {
        using LoadedModel owned = model;
        using InferenceEngine engine = new(model.Transformer, new EngineOptions { CacheBytes = 16 << 20, MaxSequences = 8, StepTokens = 64, ContextTokens = 1024 });
        Stopwatch clock = Stopwatch.StartNew();
        Generation[] running = [.. prompts.Take(Sessions).Select(prompt => engine.Submit(new GenerationRequest { Prompt = prompt, MaxOutputTokens = AnswerTokens, Compression = Compression }))];
        int[][] tokens = [.. running.Select(generation => generation.ReadTokensAsync().ToBlockingEnumerable().ToArray())];
        return new EngineAnswers(tokens, engine.GetStatistics().Steps, graphLaunches?.Invoke() ?? 0, clock.Elapsed.TotalSeconds);
    }
}

/// <summary>What came of it.</summary>
internal sealed record EngineAnswers(int[][] Tokens, long Steps, long GraphLaunches, double Seconds);
