using KvChat.Gpu.Shapes;

namespace KvChat.Gpu.Benchmarks;

/// <summary>What is to be measured.</summary>
internal sealed record BenchmarkSettings
{
    /// <summary>The model's sizes.</summary>
    public required ModelShape Shape { get; init; }

    /// <summary>What the engine is asked for.</summary>
    public required EngineBenchmarkSettings Engine { get; init; }

    /// <summary>What <c>pytorch_reference.py</c> measured on the same device, or null.</summary>
    public PyTorchTimes? PyTorch { get; init; }
}
