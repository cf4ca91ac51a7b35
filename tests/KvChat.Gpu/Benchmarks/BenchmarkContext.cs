using KvChat.Gpu.Shapes;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>What parts measure on, and where they say what they found.</summary>
internal sealed class BenchmarkContext(GpuSettings gpu, BenchmarkSettings settings, GpuReport report)
{
    private double _copyBandwidth;

    /// <summary>Driver and device.</summary>
    public GpuSettings Gpu => gpu;

    /// <summary>What is to be measured.</summary>
    public BenchmarkSettings Settings => settings;

    /// <summary>The model's sizes.</summary>
    public ModelShape Shape => settings.Shape;

    /// <summary>How much is measured of the kernels.</summary>
    public BenchmarkScale Scale => settings.Shape.IsTiny ? BenchmarkScale.Small : BenchmarkScale.Full;

    /// <summary>Where results go.</summary>
    public GpuReport Report => report;

    /// <summary>Bytes that the device reads and writes in a second while it copies, measured when first asked for.</summary>
    public double CopyBandwidth => _copyBandwidth > 0 ? _copyBandwidth : _copyBandwidth = CopyBenchmark.Measure(this);

    /// <summary>What a decode step of <see cref="BenchmarkScale.EvictionSequences"/> compressed sequences took, or null where it was not measured.</summary>
    public double? StepMilliseconds { get; set; }

    /// <summary>Opens the device and tells the report its name; whoever asked disposes of it.</summary>
    /// <param name="usesGraphs">Whether repeated work is launched as graphs.</param>
    /// <param name="products">Whose products of many rows are taken.</param>
    public CudaBackend Open(bool usesGraphs = true, CudaProductSource products = CudaProductSource.Own)
    {
        CudaBackend backend = gpu.Open(usesGraphs, products: products);
        report.Device = backend.Name;
        return backend;
    }

    /// <summary>Whether bytes fit into what is free of the device, with a tenth left over.</summary>
    public static bool Fits(CudaBackend backend, long bytes) => bytes <= backend.FreeMemoryBytes / 10 * 9;

    /// <summary>The median time of a round on the device, in milliseconds, after rounds that are not timed.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="round">Gives work to the device and waits for nothing.</param>
    public double Time(CudaBackend backend, Action round)
    {
        using DeviceClock clock = new(backend, Scale.SpacerBytes);
        for (int i = 0; i < Scale.WarmUps; i++)
            clock.Time(round);
        double[] times = new double[Scale.Rounds];
        for (int i = 0; i < times.Length; i++)
            times[i] = clock.Time(round);
        Array.Sort(times);
        return times[times.Length / 2];
    }
}
