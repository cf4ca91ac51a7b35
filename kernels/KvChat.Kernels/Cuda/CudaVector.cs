using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>Parameters in device memory.</summary>
internal sealed class CudaVector : DeviceVector
{
    private readonly CudaQueue _queue;
    private nint _address;

    public CudaVector(CudaQueue queue, ReadOnlySpan<float> values)
        : base(values.Length)
    {
        _queue = queue;
        _address = queue.Allocate(Math.Max(1, values.Length) * (long)sizeof(float), $"a vector of {values.Length} numbers");
        queue.Upload(_address, MemoryMarshal.AsBytes(values));
    }

    /// <summary>Device address of the first number, aligned to 256 bytes.</summary>
    /// <exception cref="ObjectDisposedException">The vector has been disposed of.</exception>
    public nint Address => _address != 0 ? _address : throw new ObjectDisposedException(nameof(CudaVector));

    /// <summary>The vector as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CudaVector From(DeviceVector vector, string name) => vector as CudaVector
        ?? throw new ArgumentException($"A {vector?.GetType().Name ?? "null"} is no vector of the CUDA back end.", name);

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_address == 0)
            return;
        _queue.Free(_address);
        _address = 0;
    }
}
