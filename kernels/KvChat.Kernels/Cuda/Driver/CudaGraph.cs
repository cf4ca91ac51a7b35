namespace KvChat.Kernels.Cuda.Driver;

/// <summary>Work that was noted down once and is launched as a whole.</summary>
internal sealed unsafe class CudaGraph : IDisposable
{
    private readonly CudaContext _context;
    private nint _executable;

    /// <summary>Makes a captured graph executable; the graph itself is given back.</summary>
    public CudaGraph(CudaContext context, nint graph)
    {
        _context = context;
        nint executable;
        int result = context.Driver.Functions.GraphInstantiate(&executable, graph, null, null, 0);
        _ = context.Driver.Functions.GraphDestroy(graph);
        context.Driver.Check(result, "cuGraphInstantiate");
        _executable = executable;
    }

    /// <summary>Does the work once, behind all that the stream has to do.</summary>
    public void Launch(CudaStream stream)
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _context.Driver.Check(_context.Driver.Functions.GraphLaunch(_executable, stream.Handle), "cuGraphLaunch");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_executable == 0)
            return;
        _ = _context.Driver.Functions.GraphExecDestroy(_executable);
        _executable = 0;
    }
}
