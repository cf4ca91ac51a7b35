using KvChat.Gpu.Shapes;
using KvChat.Kernels.Quantization;

namespace KvChat.Gpu.Benchmarks;

/// <summary>What the engine is asked for: as many requests at once, all alike but for their tokens, under each cell with each memory and each form of weights.</summary>
internal sealed record EngineBenchmarkSettings
{
    /// <summary>Requests of a cell.</summary>
    public int Requests { get; init; } = 64;

    /// <summary>Tokens of a prompt.</summary>
    public int Prompt { get; init; } = 6000;

    /// <summary>Tokens of an answer, at least 2.</summary>
    public int Answer { get; init; } = 500;

    /// <summary>Most rows of a step.</summary>
    public int StepTokens { get; init; } = 512;

    /// <summary>Prompts that are read alone, one after another, for the time that one takes: the shortest counts.</summary>
    public int Probes { get; init; } = 3;

    /// <summary>How the cache is compressed.</summary>
    public IReadOnlyList<EngineCell> Cells { get; init; } = EngineCell.All;

    /// <summary>KV memory, in uncompressed requests that it holds; the KV-Compress paper (arXiv 2410.00161) has 3.</summary>
    public IReadOnlyList<int> Memories { get; init; } = [3, 25];

    /// <summary>Forms of the weights.</summary>
    public IReadOnlyList<WeightFormat> Weights { get; init; } = [WeightFormat.F16, WeightFormat.Q4_K];

    /// <summary>Counts for a shape: the tiny one's are those that the emulator runs in seconds.</summary>
    public static EngineBenchmarkSettings For(ModelShape shape) =>
        shape.IsTiny ? new() { Requests = 6, Prompt = 160, Answer = 12, StepTokens = 64, Probes = 1, Memories = [3] } : new();
}
