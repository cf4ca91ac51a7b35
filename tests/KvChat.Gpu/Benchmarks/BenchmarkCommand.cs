namespace KvChat.Gpu.Benchmarks;

/// <summary>How fast the device does what the engine asks of it, part by part.</summary>
internal static class BenchmarkCommand
{
    private static readonly IBenchmarkPart[] Parts = [new EngineBenchmark()];

    /// <summary>Names of the parts.</summary>
    public static string Names => string.Join(", ", Parts.Select(part => part.Name));

    /// <summary>Measures all parts that are chosen, each of which may fail without the others.</summary>
    public static void Run(GpuSettings gpu, BenchmarkSettings settings, GpuReport report)
    {
        BenchmarkContext context = new(gpu, settings, report);
        report.Say($"{settings.Shape.Name} on {Environment.MachineName}, {DateTime.UtcNow:yyyy-MM-dd}{gpu.Note}");
        foreach (IBenchmarkPart part in Parts.Where(part => part.Name.Contains(gpu.Only, StringComparison.OrdinalIgnoreCase)))
            report.Try($"Measured: {part.Name}", () => part.Run(context));
        report.ShowAims();
    }
}
