using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// The free pages of an arena, kept on the device: a ring, from which prefix sums of demands give each its pages without the host having a part in it. All demands of a call are met, or none.
/// </summary>
internal sealed class CudaPageRing : IDisposable
{
    private const int Threads = 256, TakeBlocks = 32, SharedBytes = ((2 * Threads) + 1) * sizeof(int);

    private readonly CudaQueue _queue;
    private readonly CudaScratch _ring, _state, _lists;
    private readonly int _pages;

    /// <summary>A ring in which all pages of an arena are free.</summary>
    public CudaPageRing(CudaQueue queue, int pages)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pages);
        _queue = queue;
        _pages = pages;
        _ring = new CudaScratch(queue);
        _state = new CudaScratch(queue);
        _lists = new CudaScratch(queue);
        _ring.Ensure((long)pages * sizeof(int));
        _state.Ensure(Unsafe.SizeOf<RingState>());
        queue.Launch("kv_ring_fill", new CudaGrid((pages + Threads - 1) / Threads), Threads, 0, Arguments(0, 0, 0, 0));
    }

    /// <summary>State of the ring; waits for the device.</summary>
    public RingState State
    {
        get
        {
            Span<RingState> state = stackalloc RingState[1];
            _queue.Download(_state.Address, MemoryMarshal.AsBytes(state));
            return state[0];
        }
    }

    /// <summary>Takes pages for every demand, or none at all where too few are free; <see cref="RingState.Taken"/> says which.</summary>
    /// <param name="demands">Device address of the demands, in pages, int32.</param>
    /// <param name="count">Number of demands.</param>
    /// <param name="offsets">Device address of where each demand's pages start, <c>[count + 1]</c>.</param>
    /// <param name="pages">Device address of the page ids; room for all.</param>
    public void Take(nint demands, int count, nint offsets, nint pages)
    {
        RingArguments arguments = Arguments(demands, count, offsets, pages);
        _queue.Launch("kv_ring_plan", new CudaGrid(1), Threads, SharedBytes, arguments);
        _queue.Launch("kv_ring_take", new CudaGrid(TakeBlocks), Threads, 0, arguments);
    }

    /// <summary>Gives pages back.</summary>
    /// <exception cref="ArgumentException">There are more than the arena has.</exception>
    public void Release(ReadOnlySpan<int> pages)
    {
        if (pages.Length > _pages)
            throw new ArgumentException($"{pages.Length} pages come back to a ring of {_pages}.", nameof(pages));
        if (pages.IsEmpty)
            return;
        nint list = _lists.Ensure(pages.Length * (long)sizeof(int));
        _queue.Upload(list, MemoryMarshal.AsBytes(pages));
        _queue.Launch("kv_ring_release", new CudaGrid(1), Threads, 0, Arguments(list, pages.Length, 0, 0));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ring.Dispose();
        _state.Dispose();
        _lists.Dispose();
    }

    private RingArguments Arguments(nint demands, int count, nint offsets, nint pages) => new()
    {
        Ring = _ring.Address,
        State = _state.Address,
        Demands = demands,
        Offsets = offsets,
        Pages = pages,
        Capacity = (uint)_pages,
        Count = count,
    };
}
