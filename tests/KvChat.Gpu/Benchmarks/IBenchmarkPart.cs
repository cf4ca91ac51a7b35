namespace KvChat.Gpu.Benchmarks;

/// <summary>Something that is measured.</summary>
internal interface IBenchmarkPart
{
    /// <summary>What <c>--only</c> chooses it by.</summary>
    string Name { get; }

    /// <summary>Measures, and shows tables and aims.</summary>
    void Run(BenchmarkContext context);
}
