using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>
/// The pages of an arena: which are free, and how many tables hold each of the others. Free ids stand on a stack, so that a page just given
/// back, which may still be in a processor's cache, is the first to go out again. Owned by one thread: nothing here is locked.
/// </summary>
public sealed class PagePool
{
    private readonly int[] _free;
    private readonly int[] _holders;
    private KvMove[] _moves = [];

    /// <summary>Takes over the pages of an arena, all of them free. The arena stays the caller's to dispose.</summary>
    /// <param name="arena">Memory of the pages.</param>
    public PagePool(KvArena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        Arena = arena;
        PageCount = arena.Shape.PageCount;
        _free = new int[PageCount];
        _holders = new int[PageCount];
        for (int i = 0; i < PageCount; i++)
            _free[i] = PageCount - 1 - i;
        FreePages = PageCount;
    }

    /// <summary>Memory of the pages.</summary>
    public KvArena Arena { get; }

    /// <summary>Pages in all.</summary>
    public int PageCount { get; }

    /// <summary>Pages that nobody holds.</summary>
    public int FreePages { get; private set; }

    /// <summary>Pages that somebody holds; a shared page counts once.</summary>
    public int UsedPages => PageCount - FreePages;

    /// <summary>Bytes of a page: keys and values, positions, scores and log-weights.</summary>
    public int BytesPerPage => Arena.PageImageBytes;

    internal ReadOnlySpan<int> FreeIds => _free.AsSpan(0, FreePages);

    /// <summary>Takes a free page for every element, each with one holder; or none at all.</summary>
    /// <param name="pages">Receives the ids.</param>
    /// <returns>False, with nothing taken, where fewer pages are free.</returns>
    public bool TryAllocate(Span<int> pages)
    {
        if (pages.Length > FreePages)
            return false;
        for (int i = 0; i < pages.Length; i++)
            pages[i] = Allocate();
        return true;
    }

    /// <summary>How many hold a page; 0 for a free one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such page.</exception>
    public int Holders(int page)
    {
        CheckPage(page);
        return _holders[page];
    }

    /// <summary>Adds a holder to a page that has one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such page.</exception>
    /// <exception cref="InvalidOperationException">The page is free.</exception>
    public void Retain(int page)
    {
        CheckPage(page);
        if (_holders[page] == 0)
            throw new InvalidOperationException($"Page {page} is free; only a page that somebody holds can be shared.");
        _holders[page]++;
    }

    /// <summary>Takes a holder from a page; the last one frees it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such page.</exception>
    /// <exception cref="InvalidOperationException">The page is free already.</exception>
    public void Release(int page)
    {
        CheckPage(page);
        if (_holders[page] == 0)
            throw new InvalidOperationException($"Page {page} is free already; it was released once too often.");
        if (--_holders[page] == 0)
            _free[FreePages++] = page;
    }

    /// <summary>Takes one page; the caller has made sure that one is free.</summary>
    internal int Allocate()
    {
        if (FreePages == 0)
            throw new InvalidOperationException("No page is free; whoever takes pages one by one asks FreePages first.");
        int page = _free[--FreePages];
        _holders[page] = 1;
        return page;
    }

    internal bool IsShared(int page) => _holders[page] > 1;

    /// <summary>Room for a list of moves, reused by all sequences: one thread compacts one sequence at a time.</summary>
    internal KvMove[] MoveScratch(int count)
    {
        if (_moves.Length < count)
            Array.Resize(ref _moves, Math.Max(count, 2 * _moves.Length));
        return _moves;
    }

    private void CheckPage(int page)
    {
        if ((uint)page >= (uint)PageCount)
            throw new ArgumentOutOfRangeException(nameof(page), page, $"Pages are numbered from 0 to {PageCount - 1}.");
    }
}
