namespace KvChat.Runtime.Text;

/// <summary>A stretch of text under merging. Dead ones have length 0.</summary>
internal struct Symbol
{
    /// <summary>Where it starts, in units of the caller.</summary>
    public int Start;

    /// <summary>How many units it covers.</summary>
    public int Length;

    /// <summary>Its token, or -1 while it is none.</summary>
    public int Id;

    public int Previous;
    public int Next;
}

/// <summary>Says which neighbours merge into what.</summary>
internal interface IMergeTable
{
    /// <param name="left">A living symbol.</param>
    /// <param name="right">The one after it.</param>
    /// <param name="id">The token they make.</param>
    /// <param name="rank">Lower ranks merge first.</param>
    bool TryMerge(in Symbol left, in Symbol right, out int id, out uint rank);
}

/// <summary>
/// Merges neighbours, best rank first and leftmost among equals, until none merge: a linked list and a heap, O(n log n) for n symbols. Reused
/// from piece to piece; not thread-safe.
/// </summary>
internal sealed class PairMerger
{
    private readonly PriorityQueue<(int Left, int Length, int Id), ulong> queue = new();
    private Symbol[] symbols = new Symbol[64];
    private int count;

    /// <summary>Forgets all symbols.</summary>
    public void Clear() => count = 0;

    /// <summary>Appends a symbol.</summary>
    public void Add(int start, int length, int id)
    {
        if (count == symbols.Length)
            Array.Resize(ref symbols, count * 2);
        symbols[count] = new() { Start = start, Length = length, Id = id, Previous = count - 1, Next = -1 };
        if (count > 0)
            symbols[count - 1].Next = count;
        count++;
    }

    /// <summary>Merges; afterwards <see cref="First"/> and <see cref="Symbol.Next"/> lead through what is left.</summary>
    public void Merge<TTable>(TTable table)
        where TTable : IMergeTable, allows ref struct
    {
        queue.Clear();
        for (int i = 0; i + 1 < count; i++)
            Offer(table, i);
        while (queue.TryDequeue(out (int Left, int Length, int Id) pair, out _))
        {
            // A symbol only grows by taking whole neighbours, so equal lengths mean that neither has changed since.
            ref Symbol left = ref symbols[pair.Left];
            if (left.Length == 0 || left.Next < 0 || left.Length + symbols[left.Next].Length != pair.Length)
                continue;
            ref Symbol right = ref symbols[left.Next];
            left.Length = pair.Length;
            left.Id = pair.Id;
            left.Next = right.Next;
            right.Length = 0;
            if (left.Next >= 0)
                symbols[left.Next].Previous = pair.Left;
            Offer(table, left.Previous);
            Offer(table, pair.Left);
        }
    }

    /// <summary>Index of the first symbol, or -1.</summary>
    public int First => count == 0 ? -1 : 0;

    public ref readonly Symbol this[int index] => ref symbols[index];

    private void Offer<TTable>(TTable table, int index)
        where TTable : IMergeTable, allows ref struct
    {
        if (index < 0 || symbols[index].Next < 0)
            return;
        ref readonly Symbol left = ref symbols[index];
        ref readonly Symbol right = ref symbols[left.Next];
        if (table.TryMerge(left, right, out int id, out uint rank))
            queue.Enqueue((index, left.Length + right.Length, id), ((ulong)rank << 32) | (uint)index);
    }
}
