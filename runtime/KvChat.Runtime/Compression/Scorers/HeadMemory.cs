namespace KvChat.Runtime.Compression;

/// <summary>
/// What a scorer has found out about the KVs of a head and need not find again: a number for each, known by its position, so that nothing that happens to tables or pages between two stops makes it wrong.
/// </summary>
public sealed class HeadMemory
{
    private int[] _positions = [];
    private float[] _numbers = [];
    private int _low, _count;

    /// <summary>What the numbers refer to, as it was when the scorer last saw all KVs; the scorer's own.</summary>
    public float[] Reference { get; set; } = [];

    /// <summary>Finds the numbers that are known.</summary>
    /// <param name="positions">Positions of the KVs, those of the right end first; they ascend within each end.</param>
    /// <param name="low">KVs of the right end.</param>
    /// <param name="numbers">Receives them.</param>
    /// <returns>The first KV from which on all must be found: their number if none, and 0 or one of the left end else.</returns>
    public int Recall(ReadOnlySpan<int> positions, int low, Span<float> numbers)
    {
        // A KV may have gone to the right end since.
        int inLow = 0, inLeft = _low;
        for (int i = 0; i < positions.Length; i++)
        {
            if (i == low)
                (inLow, inLeft) = (0, _low);
            if (Find(ref inLow, _low, positions[i]))
                numbers[i] = _numbers[inLow];
            else if (Find(ref inLeft, _count, positions[i]))
                numbers[i] = _numbers[inLeft];
            else
                return i < low ? 0 : i;
        }

        return positions.Length;
    }

    /// <summary>Notes the numbers of all KVs, in place of what was known.</summary>
    /// <param name="positions">Positions of the KVs, those of the right end first.</param>
    /// <param name="low">KVs of the right end.</param>
    /// <param name="numbers">A number for each.</param>
    public void Remember(ReadOnlySpan<int> positions, int low, ReadOnlySpan<float> numbers)
    {
        positions.CopyTo(ScoreOrder.Room(ref _positions, positions.Length));
        numbers.CopyTo(ScoreOrder.Room(ref _numbers, positions.Length));
        (_low, _count) = (low, positions.Length);
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => (_low, _count) = (0, 0);

    private bool Find(ref int index, int end, int position)
    {
        while (index < end && _positions[index] < position)
            index++;
        return index < end && _positions[index] == position;
    }
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
