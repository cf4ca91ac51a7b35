using System.Runtime.InteropServices;
using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>
/// The pages of one (sequence, layer, KV head) and its number of KVs. The table has two ends: pages of the sequence's format stand from the left, those of its
/// low format from the right, the first of them last. The ids lie in native memory, because kernels read them through <see cref="HeadView"/>; it grows by
/// doubling, without the managed heap.
/// </summary>
public sealed unsafe class HeadTable : IDisposable
{
    private const int FirstCapacity = 8;
    private int* _pages;
    private int _capacity;

    internal HeadTable()
    {
    }

    /// <summary>Frees the memory of a table that was forgotten; its pages are the audit's to find.</summary>
    ~HeadTable() => Free();

    /// <summary>Number of pages of the left end: those that hold KVs, then those that are reserved for the next ones.</summary>
    public int PageCount { get; private set; }

    /// <summary>Number of KVs in the left end.</summary>
    public int Length { get; internal set; }

    /// <summary>Number of pages of the right end.</summary>
    public int LowPageCount { get; private set; }

    /// <summary>Number of KVs in the right end.</summary>
    public int LowLength { get; internal set; }

    /// <summary>Page ids of the left end in order; valid until the table changes.</summary>
    public ReadOnlySpan<int> Pages => new(_pages, PageCount);

    /// <summary>Page ids of the right end as they stand, the last one first; valid until the table changes.</summary>
    public ReadOnlySpan<int> LowPages => new(_pages + _capacity - LowPageCount, LowPageCount);

    /// <summary>The table as kernels read it; valid until the table changes.</summary>
    public HeadView View => LowPageCount == 0 ? new(_pages, Length) : new(_pages, Length, _pages + _capacity - 1, LowLength);

    internal int this[int index]
    {
        get => Pages[index];
        set => new Span<int>(_pages, PageCount)[index] = value;
    }

    /// <summary>A view on <paramref name="count"/> KVs from the start of page <paramref name="page"/> of the left end.</summary>
    internal HeadView Part(int page, int count) => new(_pages + page, count);

    /// <summary>Id of a page of the right end.</summary>
    internal ref int Low(int index) => ref _pages[_capacity - 1 - index];

    internal void Add(int page)
    {
        Grow(PageCount + 1);
        _pages[PageCount++] = page;
    }

    internal void AddLow(int page)
    {
        Grow(PageCount + 1);
        LowPageCount++;
        Low(LowPageCount - 1) = page;
    }

    /// <summary>Makes room for that many pages in the left end.</summary>
    internal void Grow(int pages)
    {
        if (pages + LowPageCount <= _capacity)
            return;
        int capacity = Math.Max(Math.Max(FirstCapacity, pages + LowPageCount), 2 * _capacity), old = _capacity;
        _pages = (int*)NativeMemory.Realloc(_pages, (nuint)capacity * sizeof(int));
        _capacity = capacity;
        new ReadOnlySpan<int>(_pages + old - LowPageCount, LowPageCount).CopyTo(new Span<int>(_pages + capacity - LowPageCount, LowPageCount));
    }

    /// <summary>Takes the first pages away, which the caller releases, with the KVs in them.</summary>
    internal void RemoveFirst(int pages, int kvs)
    {
        new Span<int>(_pages + pages, PageCount - pages).CopyTo(new Span<int>(_pages, PageCount - pages));
        PageCount -= pages;
        Length -= kvs;
    }

    internal int RemoveLast() => _pages[--PageCount];

    internal int RemoveLastLow() => Low(--LowPageCount);

    /// <summary>Frees the table's own memory; its pages must have been released.</summary>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_pages);
        _pages = null;
        _capacity = 0;
        PageCount = 0;
        LowPageCount = 0;
        Length = 0;
        LowLength = 0;
    }
}
