using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>A list of work items that grows and stays, and what the items cost.</summary>
internal sealed class ItemList<T>
    where T : unmanaged
{
    private T[] _items = new T[64];
    private long[] _costs = new long[64];

    /// <summary>Number of items.</summary>
    public int Count { get; private set; }

    /// <summary>The items' bytes.</summary>
    public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes<T>(_items.AsSpan(0, Count));

    /// <summary>An item.</summary>
    public ref readonly T this[int index] => ref _items[index];

    /// <summary>What an item costs, in multiplications.</summary>
    public long CostOf(int index) => _costs[index];

    /// <summary>Forgets all items.</summary>
    public void Clear() => Count = 0;

    /// <summary>Appends an item.</summary>
    public void Add(in T item, long cost)
    {
        if (Count == _items.Length)
        {
            Array.Resize(ref _items, 2 * Count);
            Array.Resize(ref _costs, 2 * Count);
        }

        _items[Count] = item;
        _costs[Count++] = cost;
    }
}

/// <summary>The items of an attention operation for the sequences of one kind of format: blocks of queries, cut by segments where there are too few of them for the device.</summary>
internal sealed class AttendItems
{
    // Records are written and read once more: no more of them than this many bytes.
    private const long LargestRecords = 256L << 20;

    private readonly ItemList<AttendItem> _blocks = new();

    /// <summary>What to compute.</summary>
    public ItemList<AttendItem> Items { get; } = new();

    /// <summary>Whose records are merged afterwards.</summary>
    public ItemList<AttendItem> Merges { get; } = new();

    /// <summary>Records that the items write.</summary>
    public int Records { get; private set; }

    /// <summary>Most queries of an item.</summary>
    public int QueriesOfItem { get; private set; }

    /// <summary>Cuts the sequences of a batch whose attention is of a kind, for a device that wants so many items.</summary>
    public void Cut(KvBatch batch, in AttendArguments attend, AttendKernels kernels, AttendKind kind, int wantedItems)
    {
        Items.Clear();
        Merges.Clear();
        _blocks.Clear();
        Records = 0;
        QueriesOfItem = kernels.QueriesOf(kind);
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            if (kernels.KindOf(batch.Sequences[s], attend.Group) == kind)
                AddBlocks(batch, s, attend.KvHeads, attend.Group);
        }

        long segments = 0, records = 0;
        for (int i = 0; i < _blocks.Count; i++)
        {
            segments += _blocks[i].EndSegment;
            records += (long)_blocks[i].EndSegment * (_blocks[i].EndQuery - _blocks[i].FirstQuery);
        }

        bool cuts = _blocks.Count < wantedItems && records * attend.RecordSize * sizeof(float) <= LargestRecords;
        int length = cuts ? (int)Math.Max(1, segments / wantedItems) : int.MaxValue;
        for (int i = 0; i < _blocks.Count; i++)
            CutBlock(_blocks[i], length, AttendKernels.NeedsRecords(kind), BoundaryOf(batch, attend, _blocks[i]), kernels.HeadDim);
    }

    private static long CostOf(in AttendItem item, int headDim) =>
        (long)(item.EndQuery - item.FirstQuery) * (item.EndSegment - item.FirstSegment) * AttendArguments.Segment * headDim * 2;

    private static int Segments(int kvs) => (kvs + AttendArguments.Segment - 1) / AttendArguments.Segment;

    // Heaviest first: the last rows see the most.
    private void AddBlocks(KvBatch batch, int sequence, int kvHeads, int group)
    {
        int queries = batch.Sequences[sequence].RowCount * group;
        for (int first = queries == 0 ? -1 : (queries - 1) / QueriesOfItem * QueriesOfItem; first >= 0; first -= QueriesOfItem)
        {
            int end = Math.Min(first + QueriesOfItem, queries);
            for (int h = 0; h < kvHeads; h++)
            {
                HeadView head = batch.Heads[(sequence * kvHeads) + h];
                int segments = Segments(head.LowLength) + Segments(head.Length + ((end - 1) / group) + 1);
                _blocks.Add(new AttendItem { Sequence = sequence, KvHead = h, FirstQuery = first, EndQuery = end, EndSegment = segments, Records = -1 }, 0);
            }
        }
    }

    // First segment of the left end where one end is turned in another way than the other: no item has segments of both. Else 0.
    private static int BoundaryOf(KvBatch batch, in AttendArguments attend, in AttendItem block)
    {
        ref readonly SequenceSlice slice = ref batch.Sequences[block.Sequence];
        int lowLength = batch.Heads[(block.Sequence * attend.KvHeads) + block.KvHead].LowLength;
        bool differ = lowLength > 0 && attend.Arena.Layouts[(int)slice.Format].Turns != attend.Arena.Layouts[(int)slice.LowFormat].Turns;
        return differ ? Segments(lowLength) : 0;
    }

    private void CutBlock(AttendItem block, int length, bool needsRecords, int boundary, int headDim)
    {
        if (boundary == 0 && block.EndSegment <= (needsRecords ? 1 : length))
        {
            Items.Add(block, CostOf(block, headDim));
            return;
        }

        block.Records = Records;
        block.RecordSegments = block.EndSegment;
        Records = checked(Records + (block.EndSegment * (block.EndQuery - block.FirstQuery)));
        Merges.Add(block, CostOf(block, headDim) / AttendArguments.Segment);
        for (int first = 0; first < block.RecordSegments;)
        {
            AttendItem piece = block;
            int limit = first < boundary ? boundary : block.RecordSegments;
            piece.FirstSegment = first;
            piece.EndSegment = first = limit - first <= length ? limit : first + length;
            Items.Add(piece, CostOf(piece, headDim));
        }
    }
}
