using System.Runtime.InteropServices;
using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>
/// All pages of a sequence in host memory, while others use its place in the pool. One native block; it holds no page of the pool.
/// </summary>
public sealed unsafe class HostImage : IDisposable
{
    private const int LargestCopy = 1 << 28;
    private readonly int[] _lengths, _lowLengths;
    private readonly int _pageBytes;
    private byte* _data;

    internal HostImage(SequenceCache of, int[] lengths, int[] lowLengths, int pageCount, int pageBytes)
    {
        Format = of.Format;
        LowFormat = of.LowFormat;
        Layers = of.Layers;
        KvHeads = of.KvHeads;
        _lengths = lengths;
        _lowLengths = lowLengths;
        PageCount = pageCount;
        _pageBytes = pageBytes;
        _data = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, Bytes));
        GC.AddMemoryPressure(Math.Max(1, Bytes));
    }

    /// <summary>Frees the memory of an image that was forgotten.</summary>
    ~HostImage() => Free();

    /// <summary>Format of the pages.</summary>
    public KvFormat Format { get; }

    /// <summary>Format of the pages at the right ends of tables, or null.</summary>
    public KvFormat? LowFormat { get; }

    /// <summary>Layers of the model.</summary>
    public int Layers { get; }

    /// <summary>KV heads of a layer.</summary>
    public int KvHeads { get; }

    /// <summary>Pages that bringing the sequence back takes.</summary>
    public int PageCount { get; }

    /// <summary>Bytes of host memory.</summary>
    public long Bytes => (long)PageCount * _pageBytes;

    /// <summary>KVs in the left end of each head, <c>[layers * kvHeads]</c>.</summary>
    public IReadOnlyList<int> Lengths => _lengths;

    /// <summary>KVs in the right end of each head, <c>[layers * kvHeads]</c>.</summary>
    public IReadOnlyList<int> LowLengths => _lowLengths;

    /// <summary>Pages whose images are copied at once: a span has room for no more than two gigabytes.</summary>
    internal int PagesAtOnce => Math.Max(1, LargestCopy / _pageBytes);

    /// <summary>The images of pages that follow one another, in the order of heads, then of the left end's pages and of the right end's.</summary>
    /// <exception cref="ObjectDisposedException">The memory was given back.</exception>
    public Span<byte> Pages(int first, int count)
    {
        ObjectDisposedException.ThrowIf(_data == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, PageCount - count);
        return new Span<byte>(_data + (long)first * _pageBytes, checked(count * _pageBytes));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_data == null)
            return;
        NativeMemory.Free(_data);
        _data = null;
        GC.RemoveMemoryPressure(Math.Max(1, Bytes));
    }
}
