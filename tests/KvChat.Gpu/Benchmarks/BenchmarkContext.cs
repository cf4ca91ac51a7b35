using KvChat.Gpu.Shapes;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>What parts measure on, and where they say what they found.</summary>
internal sealed class BenchmarkContext(GpuSettings gpu, BenchmarkSettings settings, GpuReport report)
{
    /// <summary>Driver and device.</summary>
    public GpuSettings Gpu => gpu;

    /// <summary>What is to be measured.</summary>
    public BenchmarkSettings Settings => settings;

    /// <summary>The model's sizes.</summary>
    public ModelShape Shape => settings.Shape;

    /// <summary>Where results go.</summary>
    public GpuReport Report => report;

    /// <summary>Opens the device and tells the report its name; whoever asked disposes of it.</summary>
    public CudaBackend Open()
    {
        CudaBackend backend = gpu.Open();
        report.Device = backend.Name;
        return backend;
    }
}
