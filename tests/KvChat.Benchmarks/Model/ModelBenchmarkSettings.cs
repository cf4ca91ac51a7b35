using KvChat.Kernels;

namespace KvChat.Benchmarks.Model;

/// <summary>What a run of the model benchmark measures.</summary>
public sealed record ModelBenchmarkSettings
{
    public required string Model { get; init; }

    /// <summary>Worker threads; 0 for one per processor.</summary>
    public int Threads { get; init; }

    /// <summary>Tokens of the prompt test; 0 leaves it out.</summary>
    public int Prompt { get; init; } = 512;

    /// <summary>Tokens of the answer test; 0 leaves it out.</summary>
    public int Generate { get; init; } = 128;

    /// <summary>Tokens that are in the cache before either test begins.</summary>
    public int Depth { get; init; }

    /// <summary>Sequences that run side by side.</summary>
    public int Sequences { get; init; } = 1;

    public int Repetitions { get; init; } = 5;

    public KvFormat Format { get; init; }

    /// <summary>Most prompt rows of a step, as the engine's own default.</summary>
    public int StepTokens { get; init; } = 512;
}

/// <summary>Tokens per second over the repetitions of one test.</summary>
public sealed record Rate(double Mean, double Deviation, IReadOnlyList<double> Samples)
{
    public static Rate From(IReadOnlyList<double> samples)
    {
        double mean = samples.Average();
        double squares = samples.Sum(s => (s - mean) * (s - mean));
        return new Rate(mean, samples.Count > 1 ? Math.Sqrt(squares / (samples.Count - 1)) : 0, samples);
    }
}

/// <summary>What is written as JSON.</summary>
public sealed record ModelBenchmarkResult(
    string Model, string Backend, int Threads, int Prompt, int Generate, int Depth, int Sequences, string Format, Rate? PromptTokensPerSecond, Rate? GeneratedTokensPerSecond);
