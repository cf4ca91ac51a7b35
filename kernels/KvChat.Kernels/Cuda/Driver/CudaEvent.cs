namespace KvChat.Kernels.Cuda.Driver;

/// <summary>A mark in a stream's work.</summary>
internal sealed unsafe class CudaEvent : IDisposable
{
    private const uint WithoutTime = 2;

    private readonly CudaContext _context;
    private nint _handle;

    /// <summary>Makes a mark.</summary>
    /// <param name="context">The device.</param>
    /// <param name="timed">Whether <see cref="MillisecondsSince"/> will be asked.</param>
    public CudaEvent(CudaContext context, bool timed = false)
    {
        _context = context;
        nint handle;
        context.Driver.Check(context.Driver.Functions.EventCreate(&handle, timed ? 0 : WithoutTime), "cuEventCreate");
        _handle = handle;
    }

    /// <summary>The driver's handle.</summary>
    public nint Handle => _handle;

    /// <summary>Sets the mark behind all work of the stream.</summary>
    public void Record(CudaStream stream) => _context.Driver.Check(_context.Driver.Functions.EventRecord(_handle, stream.Handle), "cuEventRecord");

    /// <summary>Waits until the mark is reached; at once where it was never set. Gives back the driver's result.</summary>
    public int Synchronize() => _context.Driver.Functions.EventSynchronize(_handle);

    /// <summary>Time between two marks that were reached.</summary>
    public float MillisecondsSince(CudaEvent start)
    {
        float milliseconds;
        _context.Driver.Check(_context.Driver.Functions.EventElapsedTime(&milliseconds, start._handle, _handle), "cuEventElapsedTime");
        return milliseconds;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = _context.Driver.Functions.EventDestroy(_handle);
        _handle = 0;
    }
}
