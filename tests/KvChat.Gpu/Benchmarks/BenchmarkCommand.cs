namespace KvChat.Gpu.Benchmarks;

/// <summary>How fast the device does what the engine asks of it, part by part.</summary>
internal static class BenchmarkCommand
{
    // The decode step comes before what is compared with it.
    private static readonly IBenchmarkPart[] Parts =
        [new CopyBenchmark(), new DecodeAttentionBenchmark(), new PromptAttentionBenchmark(), new DenseBenchmark(), new StepBenchmark(), new EvictionBenchmark(), new EngineBenchmark()];

    /// <summary>Names of the parts.</summary>
    public static string Names => string.Join(", ", Parts.Select(part => part.Name));

    /// <summary>Measures all parts that are chosen, each of which may fail without the others.</summary>
    /// <exception cref="ArgumentException">PyTorch's times are those of another shape.</exception>
    public static void Run(GpuSettings gpu, BenchmarkSettings settings, GpuReport report)
    {
        if (settings.PyTorch is { } torch && torch.Shape != settings.Shape.Name)
            throw new ArgumentException($"--pytorch has times of {torch.Shape}; --shape is {settings.Shape.Name}.", nameof(settings));
        BenchmarkContext context = new(gpu, settings, report);
        report.Say($"{settings.Shape.Name} on {Environment.MachineName}, {DateTime.UtcNow:yyyy-MM-dd}{gpu.Note}{(settings.PyTorch is { } times ? $", beside PyTorch on {times.Device}" : "")}");
        foreach (IBenchmarkPart part in Parts.Where(part => IsChosen(part, gpu.Only)))
            report.Try($"Measured: {part.Name}", () => part.Run(context));
        report.ShowAims();
    }

    // Names with commas between, or nothing for all.
    private static bool IsChosen(IBenchmarkPart part, string only) =>
        only.Length == 0 || only.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Any(name => part.Name.Contains(name, StringComparison.OrdinalIgnoreCase));
}
