namespace KvChat.Kernels.Cuda.Driver;

/// <summary>cuBLAS on one stream, with room of its own for work, so that its products can be captured in graphs.</summary>
internal sealed unsafe class CublasHandle : IDisposable
{
    // cublasOperation_t, cudaDataType, cublasComputeType_t, cublasGemmAlgo_t, cublasMath_t.
    private const int AsItIs = 0, Transposed = 1, Single = 0, Half = 2, Brain = 14, SumsInSingles = 68, AnyAlgorithm = -1, NoSumsInHalves = 16;

    // What NVIDIA names for Hopper; older devices need less.
    private const int WorkspaceBytes = 32 << 20, LateCapability = 90, SmallWorkspaceBytes = 8 << 20;

    private readonly CudaContext _context;
    private readonly CublasLibrary _library;
    private nint _handle;

    /// <summary>Makes a handle.</summary>
    /// <exception cref="CudaException">The library refuses something.</exception>
    /// <exception cref="CudaOutOfMemoryException">There is no room for its workspace.</exception>
    public CublasHandle(CudaContext context, CublasLibrary library, CudaStream stream, DeviceMemory memory)
    {
        (_context, _library) = (context, library);
        context.MakeCurrent();
        nint handle;
        Check(library.Create(&handle), "cublasCreate");
        _handle = handle;
        nint workspace = 0;
        try
        {
            // In this order: a stream takes the workspace away.
            Check(library.SetStream(handle, stream.Handle), "cublasSetStream");
            int bytes = context.Capability >= LateCapability ? WorkspaceBytes : SmallWorkspaceBytes;
            Check(library.SetWorkspace(handle, workspace = memory.Allocate(bytes, "cuBLAS"), (nuint)bytes), "cublasSetWorkspace");
            Check(library.SetMathMode(handle, NoSumsInHalves), "cublasSetMathMode");
            int version;
            Check(library.GetVersion(handle, &version), "cublasGetVersion");
            Version = version;
        }
        catch
        {
            Dispose();
            memory.Free(workspace);
            throw;
        }
    }

    /// <summary>The library's version, e.g. 120400 for 12.4.</summary>
    public int Version { get; }

    /// <summary>Path or name of the library.</summary>
    public string Name => _library.Name;

    /// <summary>Multiplies behind all that the stream has to do. To the library, which counts by columns, rows of ours are columns: the weights are transposed.</summary>
    /// <exception cref="CudaException">The library refuses it.</exception>
    public void Multiply(in LibraryProduct product)
    {
        float one = 1, nothing = 0;
        int type = product.IsBrains != 0 ? Brain : Half;
        int status = _library.Multiply(_handle, Transposed, AsItIs, product.Outputs, product.Rows, product.Columns, &one, product.Weights, type, product.Columns, product.Input, type, product.Columns, &nothing,
            product.Output, Single, product.Outputs, SumsInSingles, AnyAlgorithm);
        if (status != 0)
            _library.Check(status, "cublasGemmEx", $"The product was of {product.Rows} rows of {product.Columns} columns with {product.Outputs} outputs in {(product.IsBrains != 0 ? "BF16" : "F16")}.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = _library.Destroy(_handle);
        _handle = 0;
    }

    private void Check(int status, string call) => _library.Check(status, call, $"The library is {_library.Name}, the device {_context.Name}.");
}
