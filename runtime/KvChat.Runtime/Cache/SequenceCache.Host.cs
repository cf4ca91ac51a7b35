namespace KvChat.Runtime.Cache;

/// <content>Swapping out to host memory and back.</content>
public sealed partial class SequenceCache
{
    /// <summary>
    /// Copies all pages to host memory and gives them back to the pool; the sequence is empty then. Pages that others share are copied too:
    /// they may be gone when the sequence comes back.
    /// </summary>
    public HostImage ToHost()
    {
        ThrowIfDisposed();
        ReleaseUnused();
        HostImage image = new(this, [.. _tables.Select(static t => t.Length)], [.. _tables.Select(static t => t.LowLength)], PageCount, Pool.BytesPerPage);
        int[] pages = ListPages();
        for (int first = 0, count; first < pages.Length; first += count)
        {
            count = Math.Min(image.PagesAtOnce, pages.Length - first);
            Pool.Arena.ReadPages(pages.AsSpan(first, count), image.Pages(first, count));
        }

        Clear();
        return image;
    }

    /// <summary>Brings swapped pages back, bit for bit, into a sequence that is empty; or changes nothing. The image stays the caller's to dispose.</summary>
    /// <returns>False where fewer than <see cref="HostImage.PageCount"/> pages are free.</returns>
    /// <exception cref="ArgumentException">The image is of another format or shape.</exception>
    /// <exception cref="InvalidOperationException">The sequence has KVs.</exception>
    public bool TryFromHost(HostImage image)
    {
        ThrowIfDisposed();
        ArgumentNullException.ThrowIfNull(image);
        if (KvCount != 0)
            throw new InvalidOperationException($"The sequence has {KvCount} KVs; only an empty one can take an image.");
        if (image.Format != Format || image.LowFormat != LowFormat || image.Layers != Layers || image.KvHeads != KvHeads)
            throw new ArgumentException($"The image has {image.Layers} layers of {image.KvHeads} KV heads in {image.Format}; the sequence has {Layers} of {KvHeads} in {Format}.", nameof(image));
        ReleaseUnused();
        if (image.PageCount > Pool.FreePages)
            return false;
        for (int i = 0; i < _tables.Length; i++)
        {
            int length = image.Lengths[i];
            for (int pages = PagesFor(length); pages > 0; pages--)
            {
                _tables[i].Add(Pool.Allocate());
                PageCount++;
            }

            for (int pages = LowPagesFor(image.LowLengths[i]); pages > 0; pages--)
            {
                _tables[i].AddLow(Pool.Allocate());
                PageCount++;
            }

            _tables[i].Length = length;
            _tables[i].LowLength = image.LowLengths[i];
            KvCount += length + image.LowLengths[i];
        }

        int[] own = ListPages();
        for (int first = 0, count; first < own.Length; first += count)
        {
            count = Math.Min(image.PagesAtOnce, own.Length - first);
            Pool.Arena.WritePages(own.AsSpan(first, count), image.Pages(first, count));
        }

        return true;
    }

    // Heads in order, of each the left end's pages, then the right end's.
    private int[] ListPages()
    {
        int[] pages = new int[PageCount];
        int count = 0;
        foreach (HeadTable table in _tables)
        {
            table.Pages.CopyTo(pages.AsSpan(count));
            count += table.PageCount;
            for (int i = 0; i < table.LowPageCount; i++)
                pages[count++] = table.Low(i);
        }

        return pages;
    }
}
