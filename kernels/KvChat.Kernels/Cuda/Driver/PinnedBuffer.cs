namespace KvChat.Kernels.Cuda.Driver;

/// <summary>Host memory that the device copies from and to without the processor's help.</summary>
internal sealed unsafe class PinnedBuffer : IDisposable
{
    private readonly CudaContext _context;
    private void* _data;

    public PinnedBuffer(CudaContext context, long bytes)
    {
        _context = context;
        void* data;
        context.Driver.Check(context.Driver.Functions.MemHostAlloc(&data, (nuint)bytes, 0), "cuMemHostAlloc", $"{bytes} bytes of pinned host memory were asked for.");
        _data = data;
        Bytes = bytes;
    }

    /// <summary>Size.</summary>
    public long Bytes { get; }

    /// <summary>First byte.</summary>
    public byte* Data => _data != null ? (byte*)_data : throw new ObjectDisposedException(nameof(PinnedBuffer));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_data == null)
            return;
        _ = _context.Driver.Functions.MemFreeHost(_data);
        _data = null;
    }
}
