using KvChat.Kernels;

namespace KvChat.Runtime.Cache;

/// <summary>What becomes of a KV when a sequence is requantised.</summary>
public enum KvFate : byte
{
    /// <summary>It is evicted.</summary>
    Drop,

    /// <summary>It goes to the right end of its head's table, or stays there.</summary>
    Low,

    /// <summary>It stays at the left end. What is at the right end cannot come back.</summary>
    High,
}

/// <content>Tables of two formats.</content>
public sealed partial class SequenceCache
{
    private int[] _positions = [];
    private KvSlot[] _slots = [];
    private float[] _newest = [];

    /// <summary>Reads the positions of a head's KVs, those of the right end first.</summary>
    public void ReadPositions(int layer, int kvHead, Span<int> positions)
    {
        HeadTable table = Table(layer, kvHead);
        if (table.LowLength > 0)
            Pool.Arena.ReadPositions(table.View.LowEnd, LowFormat!.Value, positions[..table.LowLength]);
        Pool.Arena.ReadPositions(table.View, Format, positions[table.LowLength..]);
    }

    /// <summary>Reads the scores of a head's KVs, those of the right end first.</summary>
    public void ReadScores(int layer, int kvHead, Span<float> scores)
    {
        HeadTable table = Table(layer, kvHead);
        if (table.LowLength > 0)
            Pool.Arena.ReadScores(table.View.LowEnd, LowFormat!.Value, scores[..table.LowLength]);
        Pool.Arena.ReadScores(table.View, Format, scores[table.LowLength..]);
    }

    /// <summary>
    /// Evicts KVs, moves others to the right ends of their tables in the low format, and gives empty pages back; or changes nothing. A head may not need more
    /// pages afterwards than it has, so that no free page is needed: see <see cref="PagesFor(int, int)"/>.
    /// </summary>
    /// <param name="fates">Head after head, right end first, <c>[<see cref="KvCount"/>]</c>.</param>
    /// <returns>False where the sequence shares pages and too few are free to copy them.</returns>
    /// <exception cref="InvalidOperationException">The sequence has no low format, or a head would need more pages.</exception>
    public bool TryRequantize(ReadOnlySpan<KvFate> fates)
    {
        ThrowIfDisposed();
        if (LowFormat is not { } low)
            throw new InvalidOperationException("The sequence was made without a low format.");
        if (fates.Length != KvCount)
            throw new ArgumentException($"{fates.Length} KVs are named, but the heads have {KvCount}.", nameof(fates));
        ReleaseUnused();
        CheckPages(fates);
        if (!TryUnshare())
            return false;
        int offset = 0;
        foreach (HeadTable table in _tables)
        {
            int count = table.LowLength + table.Length;
            RequantizeHead(table, fates.Slice(offset, count), low);
            offset += count;
        }

        return true;
    }

    /// <summary>Position of the KV with which so many of the newest at a head's left end begin.</summary>
    /// <param name="layer">Layer.</param>
    /// <param name="kvHead">KV head.</param>
    /// <param name="count">From 1 to the KVs at the left end.</param>
    public int PositionFromEnd(int layer, int kvHead, int count)
    {
        HeadTable table = Table(layer, kvHead);
        int first = table.Length - count;
        Span<int> positions = stackalloc int[(first % PageTokens) + 1];
        Pool.Arena.ReadPositions(table.Part(first / PageTokens, positions.Length), Format, positions);
        return positions[^1];
    }

    /// <summary>Reads the scores of the newest KVs at the left end of a head's table.</summary>
    /// <param name="layer">Layer.</param>
    /// <param name="kvHead">KV head.</param>
    /// <param name="scores">Receives them, oldest first; no more than the left end holds.</param>
    public void ReadNewestScores(int layer, int kvHead, Span<float> scores)
    {
        HeadTable table = Table(layer, kvHead);
        int first = table.Length - scores.Length, skipped = first % PageTokens;
        if (_newest.Length < scores.Length + PageTokens)
            _newest = new float[2 * (scores.Length + PageTokens)];
        Span<float> read = _newest.AsSpan(0, scores.Length + skipped);
        if (scores.Length > 0)
            Pool.Arena.ReadScores(table.Part(first / PageTokens, read.Length), Format, read);
        read[skipped..].CopyTo(scores);
    }

    /// <summary>
    /// As <see cref="TryRequantize"/> for the newest KVs at the left ends alone, in time that depends on their number and not on the sequence's length. They must be newer
    /// than all at the right ends.
    /// </summary>
    /// <param name="count">KVs of every head that are named; of a head whose left end has fewer, all.</param>
    /// <param name="fates">Head after head, oldest first.</param>
    /// <returns>False, with nothing changed, where the sequence shares pages and too few are free to copy them.</returns>
    /// <exception cref="InvalidOperationException">A KV is to go to a low format that there is none of, or a head would need more pages than it has.</exception>
    public bool TryRequantizeNewest(int count, ReadOnlySpan<KvFate> fates)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (LowFormat is null && fates.Contains(KvFate.Low))
            throw new InvalidOperationException("The sequence was made without a low format.");
        ReleaseUnused();
        int total = 0;
        for (int i = 0; i < _tables.Length; i++)
        {
            HeadTable table = _tables[i];
            ReadOnlySpan<KvFate> own = fates.Slice(total, Math.Min(count, table.Length));
            CheckPages(i, table.Length - own.Length + own.Count(KvFate.High), table.LowLength + own.Count(KvFate.Low));
            total += own.Length;
        }

        if (fates.Length != total)
            throw new ArgumentException($"{fates.Length} KVs are named, but the heads have {total}.", nameof(fates));
        if (!TryUnshare())
            return false;
        int offset = 0;
        foreach (HeadTable table in _tables)
        {
            int named = Math.Min(count, table.Length);
            RequantizeNewest(table, fates.Slice(offset, named));
            offset += named;
        }

        return true;
    }

    private void RequantizeNewest(HeadTable table, ReadOnlySpan<KvFate> fates)
    {
        int first = table.Length - fates.Length, demoted = 0;
        if (_slots.Length < fates.Length)
            (_positions, _slots) = (new int[2 * fates.Length], new KvSlot[2 * fates.Length]);
        for (int i = 0; i < fates.Length; i++)
        {
            if (fates[i] == KvFate.Low)
                _slots[demoted++] = new KvSlot(table[(first + i) / PageTokens], (first + i) % PageTokens);
        }

        Pool.Arena.Stage(Format, _slots.AsSpan(0, demoted));
        int target = CompactHigh(table, first, fates);
        KvCount -= table.Length - target - demoted;
        table.Length = target;
        Trim(table);
        if (demoted == 0)
            return;
        AddLowPages(table, table.LowLength + demoted);
        for (int i = 0; i < demoted; i++, table.LowLength++)
            _slots[i] = new KvSlot(table.Low(table.LowLength / LowPageTokens), table.LowLength % LowPageTokens);
        Pool.Arena.Unstage(LowFormat!.Value, _slots.AsSpan(0, demoted));
    }

    /// <summary>Pages of a head with so many KVs in its two ends.</summary>
    public int PagesFor(int high, int low) => PagesFor((long)high) + LowPagesFor(low);

    private void CheckPages(ReadOnlySpan<KvFate> fates)
    {
        int offset = 0;
        for (int i = 0; i < _tables.Length; i++)
        {
            HeadTable table = _tables[i];
            ReadOnlySpan<KvFate> own = fates.Slice(offset, table.LowLength + table.Length);
            if (own[..table.LowLength].Contains(KvFate.High))
                throw new ArgumentException($"Layer {i / KvHeads}, KV head {i % KvHeads}: a KV of the right end cannot go back to the left one.", nameof(fates));
            CheckPages(i, own.Count(KvFate.High), own.Count(KvFate.Low));
            offset += own.Length;
        }
    }

    private void CheckPages(int head, int high, int low)
    {
        int pages = PagesFor(high, low), own = _tables[head].PageCount + _tables[head].LowPageCount;
        if (pages > own)
            throw new InvalidOperationException($"Layer {head / KvHeads}, KV head {head % KvHeads} would need {pages} pages; it has {own}.");
    }

    private void AddLowPages(HeadTable table, int length)
    {
        while (table.LowPageCount < LowPagesFor(length))
        {
            table.AddLow(Pool.Allocate());
            PageCount++;
        }
    }

    private void RequantizeHead(HeadTable table, ReadOnlySpan<KvFate> fates, KvFormat low)
    {
        ReadOnlySpan<KvFate> lowFates = fates[..table.LowLength], highFates = fates[table.LowLength..];
        if (_positions.Length < fates.Length)
            (_positions, _slots) = (new int[2 * fates.Length], new KvSlot[2 * fates.Length]);
        Span<int> lowPositions = _positions.AsSpan(0, lowFates.Length), highPositions = _positions.AsSpan(lowFates.Length, highFates.Length);
        Pool.Arena.ReadPositions(table.View, Format, highPositions);
        if (lowFates.Length > 0)
            Pool.Arena.ReadPositions(table.View.LowEnd, low, lowPositions);
        int demoted = StageDemoted(table, highFates, highPositions);
        int stay = CompactLow(table, lowFates, lowPositions, low);
        int target = CompactHigh(table, 0, highFates);
        KvCount -= fates.Length - target - stay - demoted;
        table.Length = target;
        table.LowLength = stay;
        Trim(table);
        Merge(table, lowPositions[..stay], highPositions[..demoted], low);
    }

    // Closes the holes that what does not stay at the left end leaves from a slot on; returns the length.
    private int CompactHigh(HeadTable table, int first, ReadOnlySpan<KvFate> fates)
    {
        KvMove[] moves = Pool.MoveScratch(fates.Length);
        int target = first, moveCount = 0;
        for (int i = 0; i < fates.Length; i++)
        {
            int source = first + i;
            if (fates[i] != KvFate.High)
                continue;
            if (source != target)
                moves[moveCount++] = new KvMove(table[source / PageTokens], source % PageTokens, table[target / PageTokens], target % PageTokens);
            target++;
        }

        Pool.Arena.Move(Format, moves.AsSpan(0, moveCount));
        return target;
    }

    // Copies of what goes to the right end wait in the arena; their positions move to the front.
    private int StageDemoted(HeadTable table, ReadOnlySpan<KvFate> fates, Span<int> positions)
    {
        int count = 0;
        for (int i = 0; i < fates.Length; i++)
        {
            if (fates[i] != KvFate.Low)
                continue;
            _slots[count] = new KvSlot(table[i / PageTokens], i % PageTokens);
            positions[count++] = positions[i];
        }

        Pool.Arena.Stage(Format, _slots.AsSpan(0, count));
        return count;
    }

    private int CompactLow(HeadTable table, ReadOnlySpan<KvFate> fates, Span<int> positions, KvFormat low)
    {
        KvMove[] moves = Pool.MoveScratch(fates.Length);
        int target = 0, count = 0;
        for (int source = 0; source < fates.Length; source++)
        {
            if (fates[source] != KvFate.Low)
                continue;
            if (source != target)
                moves[count++] = LowMove(table, source, target);
            positions[target++] = positions[source];
        }

        Pool.Arena.Move(low, moves.AsSpan(0, count));
        return target;
    }

    // Two ascending lists become one, from the back: what is there moves up, and what is staged goes between.
    private void Merge(HeadTable table, ReadOnlySpan<int> there, ReadOnlySpan<int> staged, KvFormat low)
    {
        int length = there.Length + staged.Length;
        AddLowPages(table, length);
        table.LowLength = length;
        KvMove[] moves = Pool.MoveScratch(there.Length);
        int old = there.Length - 1, added = staged.Length - 1, count = 0;
        for (int target = length - 1; added >= 0; target--)
        {
            if (old >= 0 && there[old] > staged[added])
                moves[count++] = LowMove(table, old--, target);
            else
                _slots[added--] = new KvSlot(table.Low(target / LowPageTokens), target % LowPageTokens);
        }

        Pool.Arena.Move(low, moves.AsSpan(0, count));
        Pool.Arena.Unstage(low, _slots.AsSpan(0, staged.Length));
    }

    private KvMove LowMove(HeadTable table, int source, int target) =>
        new(table.Low(source / LowPageTokens), source % LowPageTokens, table.Low(target / LowPageTokens), target % LowPageTokens);

    private int LowCountBelow(HeadTable table, int position)
    {
        if (table.LowLength == 0)
            return 0;
        if (_positions.Length < table.LowLength)
            (_positions, _slots) = (new int[2 * table.LowLength], new KvSlot[2 * table.LowLength]);
        Span<int> positions = _positions.AsSpan(0, table.LowLength);
        Pool.Arena.ReadPositions(table.View.LowEnd, LowFormat!.Value, positions);
        int below = positions.BinarySearch(position);
        return below < 0 ? ~below : below;
    }
}
