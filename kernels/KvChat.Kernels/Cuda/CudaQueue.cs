using System.Runtime.CompilerServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>The device of a back end: one stream, on which all that the back end does runs in order.</summary>
internal sealed unsafe partial class CudaQueue : ICudaQueue, IDisposable
{
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly DeviceMemory _memory;
    private readonly PinnedRing _ring;
    private readonly CudaKernels _kernels;
    private readonly LaunchLog _log = new();
    private readonly bool _waits;
    private bool _disposed;

    /// <summary>Opens the device.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver or no device, or one that is too old.</exception>
    /// <exception cref="ArgumentException">There are fewer devices.</exception>
    public CudaQueue(CudaBackendOptions options)
    {
        _context = new CudaContext(CudaDriver.Load(options.DriverPath), options.Device);
        _waits = options.WaitsForLaunches;
        try
        {
            _stream = new CudaStream(_context);
            _memory = new DeviceMemory(_context, _stream);
            _ring = new PinnedRing(_context, _stream);
            _kernels = new CudaKernels(_context);
            _graphs = new GraphCache(_context, _stream);
            _usesGraphs = options.UsesGraphs && !_waits;
            _cublas = OpenLibrary(options, _context, _stream, _memory);
            Multiprocessors = options.Multiprocessors ?? _context.Multiprocessors;
        }
        catch
        {
            _kernels?.Dispose();
            _ring?.Dispose();
            _memory?.Dispose();
            _stream?.Dispose();
            _context.Dispose();
            throw;
        }
    }

    /// <summary>The device's context.</summary>
    public CudaContext Context => _context;

    /// <summary>Bytes of device memory that are taken.</summary>
    public long TakenBytes => _memory.Bytes;

    /// <inheritdoc/>
    public int Multiprocessors { get; }

    /// <inheritdoc/>
    public int LargestSharedBytes => _context.LargestShared;

    /// <summary>Free bytes of device memory.</summary>
    public long FreeBytes()
    {
        Enter();
        Flush();
        return _memory.FreeBytes();
    }

    /// <inheritdoc/>
    public nint Allocate(long bytes) => Allocate(bytes, "work");

    /// <summary>Device memory for a purpose that the message of an error names.</summary>
    public nint Allocate(long bytes, string purpose)
    {
        Enter();
        return _memory.Allocate(bytes, purpose);
    }

    /// <inheritdoc/>
    public void Free(nint address)
    {
        // Whoever outlives the back end gives back what went with it.
        if (_disposed)
            return;
        _context.MakeCurrent();
        Flush();
        _memory.Free(address);
    }

    /// <inheritdoc/>
    public void Upload(nint target, ReadOnlySpan<byte> source)
    {
        Enter();
        if (source.Length > LargestNotedUpload)
        {
            // What is large is not worth a copy more; the period has an end here.
            EndPeriod();
            UploadNow(target, source);
            return;
        }

        if (source.IsEmpty)
            return;
        if (Notes(source.Length))
            _period.AddUpload(target, source);
        if (!_notes)
            UploadNow(target, source);
    }

    /// <summary>Copies from the device what all earlier work has left there, and waits for it.</summary>
    public void Download(nint source, Span<byte> target)
    {
        Enter();
        EndPeriod();
        while (!target.IsEmpty)
        {
            int count = Math.Min(target.Length, PinnedRing.BlockBytes);
            byte* staged = _ring.Take(count, out int waited);
            Check(waited, "cuEventSynchronize");
            Check(_context.Driver.Functions.MemcpyDtoHAsync(staged, source, (nuint)count, _stream.Handle), "cuMemcpyDtoHAsync");
            Check(_stream.Synchronize(), "cuStreamSynchronize");
            new ReadOnlySpan<byte>(staged, count).CopyTo(target);
            target = target[count..];
            source += count;
        }
    }

    /// <summary>Copies within the device; the two places do not overlap.</summary>
    public void Copy(nint source, nint target, long bytes)
    {
        Enter();
        if (Notes(0))
            _period.AddCopy(source, target, bytes);
        if (!_notes)
            CopyNow(source, target, bytes);
    }

    /// <summary>Writes zeros.</summary>
    public void Clear(nint target, long bytes)
    {
        Enter();
        if (Notes(0))
            _period.AddClear(target, bytes);
        if (!_notes)
            ClearNow(target, bytes);
    }

    /// <inheritdoc/>
    public void Launch(string kernel, int x, int y, int threads, int sharedBytes, ReadOnlySpan<byte> arguments)
    {
        Enter();
        CudaGrid grid = new(x, y);
        CudaKernel found = _kernels[kernel];
        found.Prepare(grid, threads, sharedBytes, arguments.Length);
        if (Notes(arguments.Length))
            _period.AddLaunch(found.Number, grid, threads, sharedBytes, arguments);
        if (!_notes)
            LaunchNow(found, grid, threads, sharedBytes, arguments);
    }

    /// <summary>Launches a kernel with its structure.</summary>
    public void Launch<TArguments>(string kernel, CudaGrid grid, int threads, int sharedBytes, in TArguments arguments)
        where TArguments : unmanaged
    {
        fixed (TArguments* at = &arguments)
            Launch(kernel, grid.X, grid.Y, threads, sharedBytes, new ReadOnlySpan<byte>(at, Unsafe.SizeOf<TArguments>()));
    }

    /// <summary>Waits for all work.</summary>
    public void Synchronize()
    {
        Enter();
        EndPeriod();
        Check(_stream.Synchronize(), "cuStreamSynchronize");
    }

    /// <summary>Kernels that have been used; kept when the queue is disposed of.</summary>
    public IReadOnlyList<CudaKernel> KernelsInUse => _kernels.InUse;

    /// <summary>What a kernel needs on the device, which it is compiled for.</summary>
    public KernelResources Resources(string kernel)
    {
        Enter();
        return _kernels[kernel].Resources;
    }

    /// <inheritdoc/>
    public nint AddressOf(DeviceTensor tensor) => CudaTensor.From(tensor, nameof(tensor)).Address;

    /// <inheritdoc/>
    public nint AddressOf(DeviceVector vector) => CudaVector.From(vector, nameof(vector)).Address;

    /// <inheritdoc/>
    public nint AddressOf(KvArena arena) => CudaArena.From(arena).Address;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _context.MakeCurrent();
        _graphs.Dispose();
        _cublas?.Dispose();
        _memory.Dispose();
        _ring.Dispose();
        _kernels.Dispose();
        _stream.Dispose();
        _context.Dispose();
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _context.MakeCurrent();
    }

    // A refused launch is the last one; the fault of a launch comes out wherever the host next waits, so all that may be meant are named.
    private void Check(int result, string call)
    {
        if (result != 0)
            _context.Driver.Check(result, call, call == "cuLaunchKernel" && result < DeviceMemory.FirstLaunchError ? _log.Last : _log.Recent);
    }
}
