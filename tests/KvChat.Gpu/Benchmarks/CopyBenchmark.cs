using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>How fast the device copies its own memory: what all shares of bandwidth refer to.</summary>
internal sealed class CopyBenchmark : IBenchmarkPart
{
    /// <inheritdoc/>
    public string Name => "copy";

    /// <summary>Bytes read and written in a second.</summary>
    public static double Measure(BenchmarkContext context)
    {
        using CudaBackend backend = context.Open();
        long bytes = Math.Min(context.Scale.CopyBytes, backend.FreeMemoryBytes!.Value / 4);
        nint source = backend.Queue.Allocate(bytes, "what is copied"), target = backend.Queue.Allocate(bytes, "the copy");
        backend.Queue.Clear(source, bytes);
        double seconds = context.Time(backend, () => backend.Queue.Copy(source, target, bytes)) / 1000;
        backend.Queue.Free(source);
        backend.Queue.Free(target);
        return 2 * bytes / seconds;
    }

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable table = new($"Copying within the device{context.Gpu.Note}", "MB", "GB/s read and written");
        table.Add(context.Scale.CopyBytes / 1e6, context.CopyBandwidth / 1e9);
        context.Report.Show(table);
    }
}
