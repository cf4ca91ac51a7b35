using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace KvChat.Benchmarks.Roof;

/// <summary>Buffers far larger than the caches, two a thread.</summary>
public sealed unsafe class RoofMemory : IDisposable
{
    private readonly nint[] _sources, _targets;
    private readonly long _bytes;
    private readonly float[] _sums;

    public RoofMemory(int threads, long bytes)
    {
        _bytes = bytes;
        _sums = new float[threads];
        _sources = [.. Enumerable.Range(0, threads).Select(_ => Allocate(bytes))];
        _targets = [.. Enumerable.Range(0, threads).Select(_ => Allocate(bytes))];
    }

    /// <summary>Copies a thread's source to its target.</summary>
    public void Copy(int thread) => Buffer.MemoryCopy((void*)_sources[thread], (void*)_targets[thread], _bytes, _bytes);

    /// <summary>Reads a thread's source once, with four sums so that additions are not what takes the time.</summary>
    public void Read(int thread)
    {
        float* at = (float*)_sources[thread], end = at + (_bytes / sizeof(float));
        Vector512<float> a = default, b = default, c = default, d = default;
        for (; at < end; at += 64)
        {
            a += Vector512.Load(at);
            b += Vector512.Load(at + 16);
            c += Vector512.Load(at + 32);
            d += Vector512.Load(at + 48);
        }

        _sums[thread] = Vector512.Sum(a + b + c + d);
    }

    public void Dispose()
    {
        foreach (nint buffer in (IEnumerable<nint>)[.. _sources, .. _targets])
            NativeMemory.AlignedFree((void*)buffer);
    }

    private static nint Allocate(long bytes)
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, 4096);
        NativeMemory.Fill(memory, (nuint)bytes, 1);
        return (nint)memory;
    }
}
