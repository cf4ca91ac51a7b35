using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>The device whose memory torch's tensors and the CUDA kernels share.</summary>
/// <param name="device">Where torch makes tensors.</param>
/// <param name="lend">Told of every address and its bytes before kernels see it; null where the driver knows torch's memory, as on a device. The tests' emulated device learns so of memory on the processor.</param>
/// <param name="takeBack">Told of every address before torch frees it.</param>
internal sealed partial class TorchPlace(Device device, Action<nint, long>? lend = null, Action<nint>? takeBack = null)
{
    /// <summary>Where torch makes tensors.</summary>
    public Device Device { get; } = device;

    /// <summary>Takes a contiguous fp32 tensor, which is disposed of with what comes back.</summary>
    public Memory Take(Tensor tensor) => new(this, tensor);

    // Tensor.bytes is for the processor's memory alone, and storages convert. The tensor stays referenced by who calls.
    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories)]
    private static partial nint DataOf(nint tensor);

    /// <summary>A tensor that kernels see by its address.</summary>
    internal sealed class Memory : IDisposable
    {
        private readonly TorchPlace _place;
        private bool _disposed;

        internal Memory(TorchPlace place, Tensor tensor)
        {
            _place = place;
            Tensor = tensor;
            Address = DataOf(tensor.Handle);
            place.Lend(Address, tensor.numel() * sizeof(float));
        }

        /// <summary>The tensor.</summary>
        public Tensor Tensor { get; }

        /// <summary>Device address of its first number.</summary>
        public nint Address { get; }

        /// <inheritdoc/>
        public void Dispose()
        {
            if (_disposed)
                return;
            _disposed = true;
            _place.TakeBack(Address);
            Tensor.Dispose();
        }
    }

    private void Lend(nint address, long bytes) => lend?.Invoke(address, bytes);

    private void TakeBack(nint address) => takeBack?.Invoke(address);
}
