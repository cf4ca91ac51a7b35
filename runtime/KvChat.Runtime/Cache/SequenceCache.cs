using System.Collections;
using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>
/// The KVs of one sequence: a <see cref="HeadTable"/> per layer and KV head over a <see cref="PagePool"/>, in one format or, where compression has given less
/// to some KVs, in two. Tables are ragged: after an eviction every head has as many pages as it needs.
/// </summary>
/// <remarks>
/// <para>A step appends the same number of KVs to every head: <see cref="TryReserve"/>, then <see cref="FillViews"/> per layer while kernels write,
/// then <see cref="Commit"/>. A reservation that was not used stays with the sequence for the next step, until <see cref="ReleaseUnused"/> or
/// anything else that changes the tables. None of this allocates on the managed heap.</para>
/// <para>Within each end of a head's table, KVs always stand in ascending order of position. Eviction could close holes with fewer moves by taking KVs from the end
/// (two pointers meeting), but pooling along tokens, sliding windows, truncation, sinks and the protected window would then need the positions
/// sorted each time; in order, each of them is a range of indices. The price is that every kept KV behind the first hole moves, once per
/// compression: at 8x an eighth of the KVs, at most.</para>
/// <para>Pages are shared by <see cref="Fork"/> and counted by the pool. A shared page is never written: appending and eviction copy it first.
/// Kernels that record scores write into every page of a sequence, so that <see cref="TryUnshare"/> comes before observing.</para>
/// </remarks>
public sealed partial class SequenceCache : IDisposable
{
    private readonly HeadTable[] _tables;
    private readonly HeadLengths _lengths;
    private int _reserved;
    private bool _disposed;

    /// <summary>An empty sequence.</summary>
    /// <param name="pool">Where its pages come from.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="kvHeads">KV heads of a layer.</param>
    /// <param name="format">Format of its pages.</param>
    /// <param name="lowFormat">Format of the right ends of its tables, into which <see cref="TryRequantize"/> moves KVs; null for none.</param>
    /// <exception cref="ArgumentException">The low format is none of codes.</exception>
    public SequenceCache(PagePool pool, int layers, int kvHeads, KvFormat format, KvFormat? lowFormat = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(kvHeads);
        if (lowFormat is { } low && !low.IsQuantized())
            throw new ArgumentException($"The low format is {low}; it must be one of codes: K8V8, K8V4, K4V4 or K4V2.", nameof(lowFormat));
        Pool = pool;
        LowFormat = lowFormat;
        LowPageTokens = pool.Arena.PageTokens(lowFormat ?? format);
        Layers = layers;
        KvHeads = kvHeads;
        Format = format;
        PageTokens = pool.Arena.PageTokens(format);
        _tables = new HeadTable[layers * kvHeads];
        _forgotten = new int[layers];
        for (int i = 0; i < _tables.Length; i++)
            _tables[i] = new HeadTable();
        _lengths = new HeadLengths(_tables);
    }

    /// <summary>Where the pages come from.</summary>
    public PagePool Pool { get; }

    /// <summary>Layers of the model.</summary>
    public int Layers { get; }

    /// <summary>KV heads of a layer.</summary>
    public int KvHeads { get; }

    /// <summary>Format of the pages at the left ends of tables, where new KVs go.</summary>
    public KvFormat Format { get; }

    /// <summary>Format of the pages at the right ends of tables, or null.</summary>
    public KvFormat? LowFormat { get; }

    /// <summary>KVs that a page holds in <see cref="LowFormat"/>.</summary>
    public int LowPageTokens { get; }

    /// <summary>KVs in the right ends of all tables.</summary>
    public long LowKvCount
    {
        get
        {
            long count = 0;
            foreach (HeadTable table in _tables)
                count += table.LowLength;
            return count;
        }
    }

    /// <summary>KVs that a page holds in <see cref="Format"/>.</summary>
    public int PageTokens { get; }

    /// <summary>KVs of all heads.</summary>
    public long KvCount { get; private set; }

    /// <summary>Pages of all heads, reserved and shared ones included.</summary>
    public int PageCount { get; private set; }

    /// <summary>Bytes of <see cref="PageCount"/> pages, metadata included; a shared page counts in full.</summary>
    public long Bytes => (long)PageCount * Pool.BytesPerPage;

    /// <summary>KVs of each head, <c>[layers * kvHeads]</c>: a live view, to be copied where it must last.</summary>
    public IReadOnlyList<int> KeptPerHead => _lengths;

    /// <summary>Table of a head.</summary>
    public HeadTable Table(int layer, int kvHead)
    {
        CheckHead(layer, kvHead);
        return _tables[layer * KvHeads + kvHead];
    }

    /// <summary>New pages that appending takes: those that the reserved ones do not cover, and copies of partly filled last pages that are shared.</summary>
    /// <param name="tokens">KVs that every head gets.</param>
    public int PagesToAppend(int tokens)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens == 0)
            return 0;
        long pages = 0;
        foreach (HeadTable table in _tables)
        {
            pages += Math.Max(0, PagesFor((long)table.Length + tokens) - table.PageCount);
            if (SharesPartialPage(table))
                pages++;
        }

        return (int)Math.Min(pages, int.MaxValue);
    }

    /// <summary>
    /// Makes room for the next KVs of every head, with partly filled last pages copied where they are shared; or changes nothing.
    /// </summary>
    /// <param name="tokens">KVs that every head will get.</param>
    /// <returns>False where the pool has fewer than <see cref="PagesToAppend"/> free pages.</returns>
    public bool TryReserve(int tokens)
    {
        if (PagesToAppend(tokens) > Pool.FreePages)
            return false;
        if (tokens == 0)
            return true;
        foreach (HeadTable table in _tables)
        {
            if (SharesPartialPage(table))
                Unshare(table, table.Length / PageTokens);
            int pages = PagesFor((long)table.Length + tokens);
            table.Grow(pages);
            while (table.PageCount < pages)
            {
                table.Add(Pool.Allocate());
                PageCount++;
            }
        }

        _reserved = Math.Max(_reserved, tokens);
        return true;
    }

    /// <summary>The heads of a layer as kernels read them, with their lengths before the step; valid until the tables change.</summary>
    /// <param name="layer">Layer.</param>
    /// <param name="views">Receives <see cref="KvHeads"/> views.</param>
    public void FillViews(int layer, Span<HeadView> views)
    {
        CheckHead(layer, 0);
        if (views.Length != KvHeads)
            throw new ArgumentException($"There are {KvHeads} KV heads, not {views.Length}.", nameof(views));
        for (int head = 0; head < views.Length; head++)
            views[head] = _tables[layer * KvHeads + head].View;
    }

    /// <summary>Counts the KVs that a step wrote into every head. What was reserved beyond them stays reserved.</summary>
    /// <param name="tokens">KVs written to every head, at most as many as were reserved.</param>
    /// <exception cref="InvalidOperationException">Fewer were reserved.</exception>
    public void Commit(int tokens)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (tokens > _reserved)
            throw new InvalidOperationException($"{tokens} KVs a head were written, but room was reserved for {_reserved}.");
        foreach (HeadTable table in _tables)
            table.Length += tokens;
        KvCount += (long)tokens * _tables.Length;
        _reserved -= tokens;
    }

    /// <summary>Gives back pages that were reserved and hold no KV.</summary>
    public void ReleaseUnused()
    {
        ThrowIfDisposed();
        _reserved = 0;
        foreach (HeadTable table in _tables)
            Trim(table);
    }

    /// <summary>Drops the newest KVs of every head, for example of a temporary suffix, and gives empty pages back.</summary>
    /// <exception cref="InvalidOperationException">A head has fewer KVs; nothing was changed.</exception>
    public void DropLast(int tokens)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        for (int i = 0; i < _tables.Length; i++)
        {
            if (_tables[i].Length < tokens)
                throw new InvalidOperationException($"Layer {i / KvHeads}, KV head {i % KvHeads} has {_tables[i].Length} KVs; {tokens} cannot be dropped.");
        }

        foreach (HeadTable table in _tables)
            Shorten(table, table.Length - tokens, table.LowLength);
    }

    /// <summary>Drops every KV whose position is at least <paramref name="position"/>, and gives empty pages back.</summary>
    public void Truncate(int position)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        Span<int> positions = stackalloc int[PageTokens];
        foreach (HeadTable table in _tables)
            Shorten(table, CountBelow(table, position, positions), LowCountBelow(table, position));
        if (position == 0)
            Array.Clear(_forgotten);
    }

    /// <summary>Gives all pages back. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        Clear();
        _disposed = true;
        foreach (HeadTable table in _tables)
            table.Dispose();
    }

    internal ReadOnlySpan<HeadTable> Tables => _tables;

    private int PagesFor(long tokens) => (int)((tokens + PageTokens - 1) / PageTokens);

    private int LowPagesFor(int kvs) => (kvs + LowPageTokens - 1) / LowPageTokens;

    private void Shorten(HeadTable table, int length, int lowLength)
    {
        _reserved = 0;
        KvCount -= table.Length - length + table.LowLength - lowLength;
        table.Length = length;
        table.LowLength = lowLength;
        Trim(table);
    }

    private void Trim(HeadTable table)
    {
        int pages = PagesFor(table.Length);
        while (table.PageCount > pages)
        {
            Pool.Release(table.RemoveLast());
            PageCount--;
        }

        pages = LowPagesFor(table.LowLength);
        while (table.LowPageCount > pages)
        {
            Pool.Release(table.RemoveLastLow());
            PageCount--;
        }
    }

    private void Clear()
    {
        foreach (HeadTable table in _tables)
            Shorten(table, 0, 0);
    }

    /// <summary>KVs before a position: a binary search over the pages' first positions, then one page.</summary>
    private int CountBelow(HeadTable table, int position, Span<int> positions)
    {
        int low = 0, high = PagesFor(table.Length);
        while (low < high)
        {
            int middle = (low + high) / 2;
            Pool.Arena.ReadPositions(table.Part(middle, 1), Format, positions[..1]);
            if (positions[0] < position)
                low = middle + 1;
            else
                high = middle;
        }

        if (low == 0)
            return 0;
        int start = (low - 1) * PageTokens, count = Math.Min(PageTokens, table.Length - start);
        Pool.Arena.ReadPositions(table.Part(low - 1, count), Format, positions[..count]);
        int below = positions[..count].BinarySearch(position);
        return start + (below < 0 ? ~below : below);
    }

    private void CheckHead(int layer, int kvHead)
    {
        ThrowIfDisposed();
        if ((uint)layer >= (uint)Layers)
            throw new ArgumentOutOfRangeException(nameof(layer), layer, $"There are {Layers} layers.");
        if ((uint)kvHead >= (uint)KvHeads)
            throw new ArgumentOutOfRangeException(nameof(kvHead), kvHead, $"There are {KvHeads} KV heads.");
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    private sealed class HeadLengths(HeadTable[] tables) : IReadOnlyList<int>
    {
        public int Count => tables.Length;

        public int this[int index] => tables[index].Length + tables[index].LowLength;

        public IEnumerator<int> GetEnumerator()
        {
            foreach (HeadTable table in tables)
                yield return table.Length + table.LowLength;
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
