using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Chooses on the device which KVs go, so that pages get free where they cost least over all heads of a sequence (KV-Compress, arXiv 2410.00161): the rule of the runtime's global
/// eviction, bit for bit, for many sequences at once in seven launches.
/// </summary>
internal sealed class CudaSelection(CudaQueue queue) : IDisposable
{
    private const int Threads = 256, Digits = 256, Levels = 4;

    // SelectionScratch of selection.cu: three arrays of a number per digit, and two numbers.
    private const int SharedBytes = (3 * Digits * sizeof(uint)) + (2 * sizeof(uint));

    private readonly CudaScratch _heads = new(queue), _sequences = new(queue), _states = new(queue), _counts = new(queue), _pages = new(queue);

    /// <summary>Marks what stays.</summary>
    /// <param name="heads">All heads, sequence after sequence. <see cref="SelectionHead.Most"/> leaves out the pages that a head keeps in any case; scores of +infinity are looked at here.</param>
    /// <param name="sequences">All sequences.</param>
    /// <param name="scores">Device address of the scores, fp32.</param>
    /// <param name="keep">Device address of a byte per score, which becomes 1 where the KV stays and 0 where it goes.</param>
    public void Select(ReadOnlySpan<SelectionHead> heads, ReadOnlySpan<SelectionSequence> sequences, nint scores, nint keep)
    {
        if (heads.IsEmpty)
            return;
        long pageBytes = (long)sequences.Length * (Levels + 1) * Digits * sizeof(uint);
        SelectionArguments arguments = new()
        {
            Heads = Upload(_heads, heads),
            Sequences = Upload(_sequences, sequences),
            Scores = scores,
            Keep = keep,
            States = _states.Ensure((long)heads.Length * Unsafe.SizeOf<SelectionState>()),
            Counts = _counts.Ensure((long)heads.Length * Digits * sizeof(uint)),
            Pages = _pages.Ensure(pageBytes),
        };
        queue.Clear(arguments.Pages, pageBytes);
        CudaGrid grid = new(heads.Length);
        queue.Launch("kv_select_prepare", grid, Threads, SharedBytes, arguments);
        for (; arguments.Level < Levels; arguments.Level++)
            queue.Launch("kv_select_level", grid, Threads, SharedBytes, arguments);
        queue.Launch("kv_select_finish", new CudaGrid(sequences.Length), Threads, SharedBytes, arguments);
        queue.Launch("kv_select_drop", grid, Threads, SharedBytes, arguments);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _heads.Dispose();
        _sequences.Dispose();
        _states.Dispose();
        _counts.Dispose();
        _pages.Dispose();
    }

    private nint Upload<T>(CudaScratch target, ReadOnlySpan<T> items)
        where T : unmanaged
    {
        nint address = target.Ensure((long)items.Length * Unsafe.SizeOf<T>());
        queue.Upload(address, MemoryMarshal.AsBytes(items));
        return address;
    }
}
