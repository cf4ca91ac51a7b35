namespace KvChat.Runtime.Compression;

/// <summary>
/// What a scorer has found out about the KVs of a head and need not find again: some numbers for each, known by its position, so that nothing that happens to tables or pages between two stops makes
/// them wrong.
/// </summary>
public sealed class HeadMemory
{
    private int[] _positions = [];
    private float[] _facts = [];
    private int _low, _count;

    /// <summary>Finds what is known.</summary>
    /// <param name="positions">Positions of the KVs, those of the right end first; they ascend within each end.</param>
    /// <param name="low">KVs of the right end.</param>
    /// <param name="facts">Receives it, <c>[numbers, positions.Length]</c>, as many numbers for each KV as were noted.</param>
    /// <returns>The first KV from which on all must be found: their number if none, and 0 or one of the left end else.</returns>
    public int Recall(ReadOnlySpan<int> positions, int low, Span<float> facts)
    {
        // A KV may have gone to the right end since. Most are where they were: behind the one before.
        int inLow = 0, inLeft = _low, length = positions.Length;
        ReadOnlySpan<int> known = _positions.AsSpan(0, _count);
        for (int i = 0; i < length; i++)
        {
            if (i == low)
                (inLow, inLeft) = (0, _low);
            int position = positions[i], found = -1;
            while (inLow < _low && known[inLow] < position)
                inLow++;
            if (inLow < _low && known[inLow] == position)
            {
                found = inLow;
            }
            else
            {
                while (inLeft < known.Length && known[inLeft] < position)
                    inLeft++;
                if (inLeft < known.Length && known[inLeft] == position)
                    found = inLeft;
            }

            if (found < 0)
                return i < low ? 0 : i;
            for (int target = i; target < facts.Length; target += length, found += _count)
                facts[target] = _facts[found];
        }

        return length;
    }

    /// <summary>Notes what is known of all KVs, in place of what was known.</summary>
    /// <param name="positions">Positions of the KVs, those of the right end first.</param>
    /// <param name="low">KVs of the right end.</param>
    /// <param name="facts">Numbers for each, <c>[numbers, positions.Length]</c>; always as many.</param>
    public void Remember(ReadOnlySpan<int> positions, int low, ReadOnlySpan<float> facts)
    {
        positions.CopyTo(ScoreOrder.Room(ref _positions, positions.Length));
        facts.CopyTo(ScoreOrder.Room(ref _facts, facts.Length));
        (_low, _count) = (low, positions.Length);
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => (_low, _count) = (0, 0);
}

/// <summary>The memory of a sequence's scorer, head by head. The sequence's owner keeps it as long as the KVs of its positions stay the same.</summary>
public sealed class ScorerMemory
{
    private HeadMemory[] _heads = [];

    /// <summary>That of a head, counted over all layers.</summary>
    /// <param name="index">The head.</param>
    /// <param name="heads">Heads of the sequence.</param>
    public HeadMemory Of(int index, int heads)
    {
        if (_heads.Length != heads)
        {
            _heads = new HeadMemory[heads];
            for (int i = 0; i < heads; i++)
                _heads[i] = new HeadMemory();
        }

        return _heads[index];
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        foreach (HeadMemory head in _heads)
            head.Clear();
    }
}
