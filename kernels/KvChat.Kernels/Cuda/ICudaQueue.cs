namespace KvChat.Kernels.Cuda;

/// <summary>What operations need of a device: memory, uploads and launches, all in the order of one stream.</summary>
internal interface ICudaQueue
{
    /// <summary>Multiprocessors of the device; more blocks than these are needed to keep it busy.</summary>
    int Multiprocessors { get; }

    /// <summary>Most dynamic shared memory that a block can be given, in bytes.</summary>
    int LargestSharedBytes { get; }

    /// <summary>Device memory, aligned to 256 bytes; what is in it is not defined.</summary>
    nint Allocate(long bytes);

    /// <summary>Gives memory back once all that was launched before is done with it.</summary>
    void Free(nint address);

    /// <summary>Copies to the device behind all that was launched before. The source may be used again when this returns.</summary>
    void Upload(nint target, ReadOnlySpan<byte> source);

    /// <summary>Launches a kernel that takes one structure.</summary>
    /// <param name="kernel">Entry name.</param>
    /// <param name="x">Blocks in x.</param>
    /// <param name="y">Blocks in y.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block.</param>
    /// <param name="arguments">The structure's bytes.</param>
    void Launch(string kernel, int x, int y, int threads, int sharedBytes, ReadOnlySpan<byte> arguments);

    /// <summary>Device address of a tensor's first number.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    nint AddressOf(DeviceTensor tensor);

    /// <summary>Device address of a vector's first number.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    nint AddressOf(DeviceVector vector);

    /// <summary>Device address of an arena's first page; its pages are <see cref="ArenaArguments.StrideOf"/> apart.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    nint AddressOf(KvArena arena);
}

/// <summary>Device memory that grows and stays.</summary>
internal sealed class CudaScratch(ICudaQueue queue) : IDisposable
{
    private const long Smallest = 1 << 16;

    /// <summary>Bytes that there is room for.</summary>
    public long Capacity { get; private set; }

    /// <summary>Address, 0 before the first use.</summary>
    public nint Address { get; private set; }

    /// <summary>Room for that many bytes; what was in it is lost where it grows.</summary>
    public nint Ensure(long bytes)
    {
        if (bytes > Capacity)
        {
            long capacity = Math.Max(Math.Max(bytes, Capacity * 3 / 2), Smallest);
            Dispose();
            Address = queue.Allocate(capacity);
            Capacity = capacity;
        }

        return Address;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != 0)
            queue.Free(Address);
        Address = 0;
        Capacity = 0;
    }
}
