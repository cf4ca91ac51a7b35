namespace KvChat.Kernels.Cuda.Driver;

/// <summary>A stream: work in order. It waits for, and is waited for by, the legacy stream 0 on which other libraries in the process work.</summary>
internal sealed unsafe class CudaStream : IDisposable
{
    // What is captured must not depend on what other threads do.
    private const int ThreadLocalCapture = 1;

    private readonly CudaContext _context;
    private nint _handle;

    public CudaStream(CudaContext context)
    {
        _context = context;
        nint handle;
        context.Driver.Check(context.Driver.Functions.StreamCreate(&handle, 0), "cuStreamCreate");
        _handle = handle;
    }

    /// <summary>The driver's handle.</summary>
    public nint Handle => _handle;

    /// <summary>Waits for all work of the stream. Errors of earlier launches come out here.</summary>
    public int Synchronize() => _context.Driver.Functions.StreamSynchronize(_handle);

    /// <summary>Later work waits for an event of another stream.</summary>
    public void Wait(CudaEvent done) => _context.Driver.Check(_context.Driver.Functions.StreamWaitEvent(_handle, done.Handle, 0), "cuStreamWaitEvent");

    /// <summary>From here on work is noted down instead of done.</summary>
    public void BeginCapture() => _context.Driver.Check(_context.Driver.Functions.StreamBeginCapture(_handle, ThreadLocalCapture), "cuStreamBeginCapture");

    /// <summary>What was noted down, ready to be done as often as wanted.</summary>
    public CudaGraph EndCapture()
    {
        nint graph;
        _context.Driver.Check(_context.Driver.Functions.StreamEndCapture(_handle, &graph), "cuStreamEndCapture");
        return new CudaGraph(_context, graph);
    }

    /// <summary>Gives up what is being noted down.</summary>
    public void AbandonCapture()
    {
        nint graph = 0;
        if (_context.Driver.Functions.StreamEndCapture(_handle, &graph) == 0 && graph != 0)
            _ = _context.Driver.Functions.GraphDestroy(graph);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = _context.Driver.Functions.StreamDestroy(_handle);
        _handle = 0;
    }
}
