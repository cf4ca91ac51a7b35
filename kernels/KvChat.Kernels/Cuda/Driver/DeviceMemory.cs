namespace KvChat.Kernels.Cuda.Driver;

/// <summary>
/// Device memory in the order of a stream: from the driver's pool where it has one, which keeps what is given back, else from the driver itself. What is
/// still taken goes back with this object.
/// </summary>
internal sealed unsafe class DeviceMemory : IDisposable
{
    /// <summary>Errors of the driver from here on mean that work launched earlier went wrong, and that nothing can be done with the device any more.</summary>
    public const int FirstLaunchError = 700;

    private const int OutOfMemory = 2, ReleaseThreshold = 4;

    // Smaller pieces are not worth a question about free memory.
    private const long LargeBytes = 32L << 20;

    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly Dictionary<nint, long> _taken = [];
    private readonly bool _pools;
    private nint _pool;

    public DeviceMemory(CudaContext context, CudaStream stream)
    {
        _context = context;
        _stream = stream;
        _pools = context.HasPools && context.Driver.Functions.DeviceGetDefaultMemPool != null;
        if (!_pools)
            return;
        nint pool;
        context.Driver.Check(context.Driver.Functions.DeviceGetDefaultMemPool(&pool, context.Device), "cuDeviceGetDefaultMemPool");
        _pool = pool;
        ulong threshold = ulong.MaxValue;
        context.Driver.Check(context.Driver.Functions.MemPoolSetAttribute(pool, ReleaseThreshold, &threshold), "cuMemPoolSetAttribute");
    }

    /// <summary>Bytes that are taken.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes memory, aligned to 256 bytes; what is in it is not defined.</summary>
    /// <param name="bytes">Size.</param>
    /// <param name="purpose">What it is for, for the message of an error.</param>
    /// <exception cref="CudaOutOfMemoryException">There is not so much; the message says what was asked and what is free.</exception>
    public nint Allocate(long bytes, string purpose)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);

        // Windows would move what does not fit into the host's memory without a word, and be slow ever after.
        if (bytes >= LargeBytes && bytes > FreeBytes())
            throw TooLittle(bytes, purpose);
        DriverFunctions functions = _context.Driver.Functions;
        nint address;
        int result = _pools ? functions.MemAllocAsync(&address, (nuint)bytes, _stream.Handle) : functions.MemAlloc(&address, (nuint)bytes);
        if (result == OutOfMemory)
            throw TooLittle(bytes, purpose);
        _context.Driver.Check(result, _pools ? "cuMemAllocAsync" : "cuMemAlloc", $"{bytes} bytes were asked for {purpose}.");
        _taken.Add(address, bytes);
        Bytes += bytes;
        return address;
    }

    /// <summary>Gives memory back once all work launched before is done with it. Nothing happens where it was given back before.</summary>
    public void Free(nint address)
    {
        if (!_taken.Remove(address, out long bytes))
            return;
        Bytes -= bytes;
        DriverFunctions functions = _context.Driver.Functions;
        if (_pools)
        {
            CheckFree(functions.MemFreeAsync(address, _stream.Handle), "cuMemFreeAsync");
            return;
        }

        _ = _stream.Synchronize();
        CheckFree(functions.MemFree(address), "cuMemFree");
    }

    /// <summary>Free bytes of device memory, those that only the pool holds included.</summary>
    public long FreeBytes()
    {
        if (_pools && _context.Driver.Functions.MemPoolTrimTo != null)
        {
            _ = _stream.Synchronize();
            _ = _context.Driver.Functions.MemPoolTrimTo(_pool, 0);
        }

        return _context.Memory().Free;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = _stream.Synchronize();
        foreach (nint address in _taken.Keys)
            _ = _pools ? _context.Driver.Functions.MemFreeAsync(address, _stream.Handle) : _context.Driver.Functions.MemFree(address);
        _taken.Clear();
        Bytes = 0;
        _pool = 0;
    }

    // After a failed launch nothing can be given back; whoever cleans up must not hide that error.
    private void CheckFree(int result, string call)
    {
        if (result < FirstLaunchError)
            _context.Driver.Check(result, call);
    }

    private CudaOutOfMemoryException TooLittle(long bytes, string purpose)
    {
        long free = FreeBytes();
        return new CudaOutOfMemoryException($"{_context.Name} has too little memory: {bytes} bytes were asked for {purpose}, {free} are free.", bytes, free);
    }
}
