using System.Numerics;

namespace KvChat.Runtime.Cache;

/// <content>Layers with a sliding window, which forget what lies behind it.</content>
public sealed partial class SequenceCache
{
    // Attention adds in segments of so many slots, counted from the first.
    private const int Segment = 256;

    private readonly int[] _forgotten;

    /// <summary>
    /// KVs that leave a head together: whole segments of attention and whole pages. A head that loses segments which nobody sees any more gives the same bits as one
    /// that keeps them.
    /// </summary>
    /// <param name="pageTokens">KVs of a page.</param>
    public static int ForgottenTogether(int pageTokens) => Segment / (int)BigInteger.GreatestCommonDivisor(Segment, pageTokens) * pageTokens;

    /// <summary>
    /// Drops KVs that no later row of a layer sees, as many whole runs of <see cref="ForgottenTogether(int)"/> as there are, and gives their pages back. What stays
    /// depends on the tokens read alone, not on how often this was called. Heads that keep KVs in a second format forget nothing: what counts there is where the first end begins.
    /// </summary>
    /// <param name="layer">A layer with a window.</param>
    /// <param name="window">Its window: the row at position p sees positions greater than p - window.</param>
    /// <param name="read">Tokens read: the position of the next row.</param>
    public void Forget(int layer, int window, int read)
    {
        CheckHead(layer, 0);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(window);
        int unseen = read - window + 1, together = ForgottenTogether(PageTokens);
        if (unseen < together)
            return;
        Span<int> positions = stackalloc int[PageTokens];
        for (int head = 0; head < KvHeads; head++)
        {
            HeadTable table = _tables[(layer * KvHeads) + head];
            int kvs = table.Length < together || table.LowLength > 0 ? 0 : CountBelow(table, unseen, positions) / together * together;
            if (kvs == 0)
                continue;
            int pages = kvs / PageTokens;
            foreach (int page in table.Pages[..pages])
                Pool.Release(page);
            table.RemoveFirst(pages, kvs);
            PageCount -= pages;
            KvCount -= kvs;
            _forgotten[layer] = Math.Max(_forgotten[layer], FirstPosition(table, unseen));
        }
    }

    private int FirstPosition(HeadTable table, int ofNone)
    {
        if (table.Length == 0)
            return ofNone;
        Span<int> first = stackalloc int[1];
        Pool.Arena.ReadPositions(table.Part(0, 1), Format, first);
        return Math.Min(first[0], ofNone);
    }

    /// <summary>
    /// Shortest prefix that the sequence can be cut back to: a shorter one would see KVs that its windows have forgotten.
    /// </summary>
    /// <param name="windows">Window of each layer, 0 for none.</param>
    public int ShortestPrefix(ReadOnlySpan<int> windows)
    {
        int least = 0;
        for (int layer = 0; layer < _forgotten.Length; layer++)
        {
            if (_forgotten[layer] > 0)
                least = Math.Max(least, _forgotten[layer] + windows[layer] - 1);
        }

        return least;
    }
}
