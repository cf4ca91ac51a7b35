using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>Times work on the device, from its first command to its last. Before it the device clears memory, so that the host has handed the work over when the device comes to it.</summary>
internal sealed class DeviceClock(CudaBackend backend, long spacerBytes) : IDisposable
{
    private readonly nint _spacer = backend.Queue.Allocate(spacerBytes, "the pause before what is timed");

    /// <summary>Milliseconds that the work takes.</summary>
    public double Time(Action work) => backend.Queue.Time(work, _spacer, spacerBytes);

    /// <inheritdoc/>
    public void Dispose() => backend.Queue.Free(_spacer);
}
