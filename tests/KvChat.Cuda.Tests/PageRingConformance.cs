using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda;

namespace KvChat.Cuda.Tests;

/// <summary>The ring of free pages on the device against a queue.</summary>
public abstract class PageRingConformance
{
    /// <summary>A back end.</summary>
    protected abstract CudaBackend Create();

    [Fact]
    public void Pages_go_out_in_order_and_come_back_behind_and_demands_are_met_whole_or_not_at_all()
    {
        const int Capacity = 700;
        using CudaBackend backend = Create();
        using CudaPageRing ring = new(backend.Queue, Capacity);
        Queue<int> free = new(Enumerable.Range(0, Capacity));
        List<int> held = [];
        Random random = new(5);
        int refused = 0;
        for (int round = 0; round < 40; round++)
        {
            int[] demands = [.. Enumerable.Range(0, random.Next(1, 600)).Select(_ => random.Next(0, 3))];
            int total = demands.Sum();
            int[] pages = Take(backend, ring, demands, out RingState state);
            if (total > free.Count)
            {
                Assert.Equal(0u, state.Taken);
                refused++;
            }
            else
            {
                Assert.Equal(Enumerable.Range(0, total).Select(_ => free.Dequeue()), pages);
                held.AddRange(pages);
            }

            Assert.Equal((uint)free.Count, state.Count);
            int back = random.Next(0, held.Count + 1);
            ring.Release([.. held.Take(back)]);
            held.Take(back).ToList().ForEach(free.Enqueue);
            held.RemoveRange(0, back);
        }

        Assert.InRange(refused, 1, 39);
        Assert.Equal((uint)free.Count, ring.State.Count);
    }

    private static int[] Take(CudaBackend backend, CudaPageRing ring, int[] demands, out RingState state)
    {
        nint demandsAt = backend.Queue.Allocate(demands.Length * sizeof(int)), offsetsAt = backend.Queue.Allocate((demands.Length + 1) * sizeof(int));
        nint pagesAt = backend.Queue.Allocate((demands.Sum() + 1) * sizeof(int));
        backend.Queue.Upload(demandsAt, MemoryMarshal.AsBytes<int>(demands));
        ring.Take(demandsAt, demands.Length, offsetsAt, pagesAt);
        state = ring.State;
        int[] offsets = new int[demands.Length + 1], pages = new int[state.Taken];
        backend.Queue.Download(offsetsAt, MemoryMarshal.AsBytes(offsets.AsSpan()));
        Assert.Equal(demands, offsets.Zip(offsets.Skip(1), (from, to) => to - from));
        if (pages.Length > 0)
            backend.Queue.Download(pagesAt, MemoryMarshal.AsBytes(pages.AsSpan()));
        backend.Queue.Free(demandsAt);
        backend.Queue.Free(offsetsAt);
        backend.Queue.Free(pagesAt);
        return pages;
    }
}
