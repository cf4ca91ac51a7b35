using System.Runtime.InteropServices;
using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>
/// The pages of one (sequence, layer, KV head) in order, and its number of KVs. The ids lie in native memory, because kernels read them
/// through <see cref="HeadView"/>; it grows by doubling, without the managed heap.
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

    /// <summary>Number of pages: those that hold KVs, then those that are reserved for the next ones.</summary>
    public int PageCount { get; private set; }

    /// <summary>Number of KVs.</summary>
    public int Length { get; internal set; }

    /// <summary>Page ids in order; valid until the table changes.</summary>
    public ReadOnlySpan<int> Pages => new(_pages, PageCount);

    /// <summary>The table as kernels read it; valid until the table changes.</summary>
    public HeadView View => new(_pages, Length);

    internal int this[int index]
    {
        get => Pages[index];
        set => new Span<int>(_pages, PageCount)[index] = value;
    }

    /// <summary>A view on <paramref name="count"/> KVs from the start of page <paramref name="page"/>.</summary>
    internal HeadView Part(int page, int count) => new(_pages + page, count);

    internal void Add(int page)
    {
        if (PageCount == _capacity)
            Grow(PageCount + 1);
        _pages[PageCount++] = page;
    }

    internal void Grow(int pages)
    {
        if (pages <= _capacity)
            return;
        int capacity = Math.Max(Math.Max(FirstCapacity, pages), 2 * _capacity);
        _pages = (int*)NativeMemory.Realloc(_pages, (nuint)capacity * sizeof(int));
        _capacity = capacity;
    }

    internal int RemoveLast() => _pages[--PageCount];

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
        Length = 0;
    }
}
