using KvChat.Kernels;
using KvChat.Runtime.TorchSharp;

[assembly: ComputeBackendSource(typeof(TorchBackendSource))]

namespace KvChat.Runtime.TorchSharp;

/// <summary>What <see cref="BackendKind.TorchSharp"/> means.</summary>
public sealed class TorchBackendSource : IComputeBackendSource
{
    /// <inheritdoc/>
    public IComputeBackend Create(int threads, int device) => TorchBackend.Create(new TorchBackendOptions { Threads = threads, DeviceIndex = device });
}
