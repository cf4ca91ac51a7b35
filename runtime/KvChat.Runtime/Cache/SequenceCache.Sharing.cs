namespace KvChat.Runtime.Cache;

/// <content>Pages that several sequences hold, and copies of them.</content>
public sealed partial class SequenceCache
{
    /// <summary>
    /// A second sequence with the same KVs; pages are shared and copied only when one of the two changes them. Pages that were reserved stay
    /// with this sequence, but the reservation must be made again.
    /// </summary>
    public SequenceCache Fork()
    {
        ThrowIfDisposed();
        ReleaseUnused();
        SequenceCache fork = new(Pool, Layers, KvHeads, Format, LowFormat);
        for (int i = 0; i < _tables.Length; i++)
        {
            HeadTable copy = fork._tables[i];
            copy.Grow(_tables[i].PageCount);
            foreach (int page in _tables[i].Pages)
            {
                Pool.Retain(page);
                copy.Add(page);
            }

            for (int low = 0; low < _tables[i].LowPageCount; low++)
            {
                Pool.Retain(_tables[i].Low(low));
                copy.AddLow(_tables[i].Low(low));
            }

            copy.Length = _tables[i].Length;
            copy.LowLength = _tables[i].LowLength;
        }

        _forgotten.CopyTo(fork._forgotten, 0);
        fork.PageCount = PageCount;
        fork.KvCount = KvCount;
        return fork;
    }

    /// <summary>Pages that giving this sequence up would free: those that nobody else holds.</summary>
    public int ExclusivePages
    {
        get
        {
            int pages = 0;
            foreach (HeadTable table in _tables)
            {
                foreach (int page in table.Pages)
                    pages += Pool.IsShared(page) ? 0 : 1;
                foreach (int page in table.LowPages)
                    pages += Pool.IsShared(page) ? 0 : 1;
            }

            return pages;
        }
    }

    /// <summary>Copies every page that is shared, so that kernels may write scores; or changes nothing.</summary>
    /// <returns>False where the pool has too few free pages.</returns>
    public bool TryUnshare()
    {
        ThrowIfDisposed();
        if (PageCount - ExclusivePages > Pool.FreePages)
            return false;
        foreach (HeadTable table in _tables)
        {
            for (int i = 0; i < table.PageCount; i++)
            {
                if (Pool.IsShared(table[i]))
                    Unshare(table, i);
            }

            for (int i = 0; i < table.LowPageCount; i++)
            {
                if (Pool.IsShared(table.Low(i)))
                    table.Low(i) = Copy(table.Low(i));
            }
        }

        return true;
    }

    private bool SharesPartialPage(HeadTable table) => table.Length % PageTokens != 0 && Pool.IsShared(table[table.Length / PageTokens]);

    private void Unshare(HeadTable table, int index) => table[index] = Copy(table[index]);

    private int Copy(int shared)
    {
        int own = Pool.Allocate();
        Pool.Arena.CopyPage(shared, own);
        Pool.Release(shared);
        return own;
    }
}
