namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Sizes that the numbers depend on (segments) or that speed depends on (tiles).</summary>
internal static class AttentionSizes
{
    /// <summary>KVs of a segment, counted from slot 0: softmax sums run within segments, which are then merged in order.</summary>
    public const int Segment = 256;

    /// <summary>KVs of a panel of widened keys, <c>[headDim][Panel]</c>.</summary>
    public const int Panel = 32;

    /// <summary>Queries of a register tile.</summary>
    public const int Tile = 6;

    /// <summary>Distance of the logits of a tile's queries: a segment and a cache line, so that rows do not share cache sets.</summary>
    public const int LogitStride = Segment + 16;

    /// <summary>Queries that share widened keys and values.</summary>
    public const int BlockQueries = 192;

    /// <summary>Numbers before the output in a <see cref="SoftmaxRecord"/>.</summary>
    public const int RecordHeader = 16;
}

/// <summary>Rows of one sequence and KV head, and the segments that they read.</summary>
internal unsafe struct AttentionItem
{
    /// <summary>Sequence of the batch.</summary>
    public int Sequence;

    /// <summary>KV head.</summary>
    public int KvHead;

    /// <summary>First row, counted in the slice.</summary>
    public int FirstRow;

    /// <summary>Behind the last row.</summary>
    public int EndRow;

    /// <summary>First segment to read.</summary>
    public int FirstSegment;

    /// <summary>Behind the last segment.</summary>
    public int EndSegment;

    /// <summary>Null, or where a record per query and segment goes, <c>[queries, PartialSegments]</c>, because others read the other segments.</summary>
    public float* Partials;

    /// <summary>First segment in <see cref="Partials"/>.</summary>
    public int PartialFirst;

    /// <summary>Segments in <see cref="Partials"/>.</summary>
    public int PartialSegments;

    /// <summary>Sums over the observation window, <c>[group, SumStride]</c>, of the slots from 0; null where nothing is observed or scores are accumulated.</summary>
    public float* Sums;

    /// <summary>Distance of the sums of two query heads.</summary>
    public int SumStride;
}

/// <summary>Everything that workers need for one attention operation; lives on the caller's stack while they run.</summary>
internal unsafe struct AttentionJob
{
    public PageView Pages;
    public SequenceSlice* Sequences;
    public HeadView* Heads;
    public int* Positions;
    public float* Queries;
    public int QueryStride;
    public float* Output;
    public int OutputStride;
    public int KvHeads;
    public int Group;
    public int HeadDim;
    public float Scale;
    public float SoftCap;
    public int SlidingWindow;

    /// <summary>Most rows that an item's scratch has room for.</summary>
    public int BlockRows;

    /// <summary>Maximum and reciprocal sum of the softmax per batch row and query head, or null where nothing is observed.</summary>
    public float* Statistics;

    /// <summary>
    /// Null, or per sequence and KV head null or where direct kernels leave the probabilities that <see cref="ObservationMode.Accumulate"/> needs, so
    /// that keys are not read twice: <c>[rows * group, segments]</c> of the largest logit, then <c>[rows * group, segments * Segment]</c>.
    /// </summary>
    public float** Kept;

    public AttentionItem* Items;
    public int ItemCount;
    public WorkerScratch* Scratch;

    /// <summary>Done with each item.</summary>
    public delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> Work;

    /// <summary>Next item that nobody has taken; on a cache line of its own.</summary>
    public fixed byte Padding[64];
    public int Next;

    /// <summary>Numbers of a record.</summary>
    public readonly int RecordSize => HeadDim + AttentionSizes.RecordHeader;

    /// <summary>Runs on every worker.</summary>
    public static void Run(void* state, int worker)
    {
        AttentionJob* job = (AttentionJob*)state;
        WorkerScratch* scratch = job->Scratch + worker;
        while (true)
        {
            int index = Interlocked.Increment(ref job->Next) - 1;
            if (index >= job->ItemCount)
                return;
            job->Work(job, job->Items + index, scratch);
        }
    }

    /// <summary>The head that an item reads.</summary>
    public readonly HeadView* HeadOf(AttentionItem* item) => Heads + (((long)item->Sequence * KvHeads) + item->KvHead);

    /// <summary>Where an item's probabilities are kept, or null.</summary>
    public readonly float* KeptOf(AttentionItem* item) => Kept == null ? null : Kept[((long)item->Sequence * KvHeads) + item->KvHead];

    /// <summary>Segments of an item's head up to its last row.</summary>
    public readonly int SegmentsOf(AttentionItem* item) =>
        (HeadOf(item)->Length + Sequences[item->Sequence].RowCount + AttentionSizes.Segment - 1) / AttentionSizes.Segment;

    /// <summary>First query of a row for the item's KV head; those of the group follow.</summary>
    public readonly float* QueryOf(AttentionItem* item, int row) =>
        Queries + ((long)(Sequences[item->Sequence].FirstRow + row) * QueryStride) + ((long)item->KvHead * Group * HeadDim);

    /// <summary>Where the results of a row go, those of the group behind each other.</summary>
    public readonly float* OutputOf(AttentionItem* item, int row) =>
        Output + ((long)(Sequences[item->Sequence].FirstRow + row) * OutputStride) + ((long)item->KvHead * Group * HeadDim);

    /// <summary>Statistics of a row, two numbers for each query head of the group.</summary>
    public readonly float* StatisticsOf(AttentionItem* item, int row) =>
        Statistics + (2 * (((long)(Sequences[item->Sequence].FirstRow + row) * KvHeads * Group) + ((long)item->KvHead * Group)));

    /// <summary>Format of an item's pages.</summary>
    public readonly KvFormat FormatOf(AttentionItem* item) => Sequences[item->Sequence].Format;

    /// <summary>What queries are multiplied with: the scale, and a part of what makes up for widening keys by shifts.</summary>
    public readonly float QueryFactor(AttentionItem* item) => FormatOf(item) == KvFormat.F32 ? Scale : Scale * HalfBits.HalfFactor;

    /// <summary>What dot products are multiplied with to be logits: the rest of it.</summary>
    public readonly float LogitFactor(AttentionItem* item) => FormatOf(item) == KvFormat.F32 ? 1 : HalfBits.HalfFactor;

    /// <summary>What probabilities are multiplied with to make up for widening values by shifts.</summary>
    public readonly float ValueFactor(AttentionItem* item) => FormatOf(item) == KvFormat.F32 ? 1 : HalfBits.WideningFactor;

    /// <summary>First KV that a row sees; the last is <c>head.Length + row</c>.</summary>
    public readonly int FirstVisible(AttentionItem* item, int row)
    {
        if (SlidingWindow == 0)
            return 0;
        HeadView* head = HeadOf(item);
        SequenceSlice* slice = Sequences + item->Sequence;
        long limit = (long)Positions[slice->FirstRow + row] - SlidingWindow;
        return limit < 0 ? 0 : Pages.FirstAfter(*head, Pages.Slots(slice->Format), head->Length + row + 1, (int)limit);
    }
}

/// <summary>Memory of one worker.</summary>
internal unsafe struct WorkerScratch
{
    /// <summary>Scaled queries, <c>[tiles][headDim][Tile]</c>.</summary>
    public float* Queries;

    /// <summary>Widened keys of a segment, <c>[panels][headDim][Panel]</c>.</summary>
    public float* Keys;

    /// <summary>Widened values of a segment, <c>[Segment][headDim]</c>.</summary>
    public float* Values;

    /// <summary>Log-weights of a segment.</summary>
    public float* LogWeights;

    /// <summary>Logits, then probabilities of a tile, <c>[Tile][LogitStride]</c>.</summary>
    public float* Logits;

    /// <summary>Records of a tile for the segment at hand, <c>[Tile][headDim + RecordHeader]</c>.</summary>
    public float* TileRecords;

    /// <summary>Records of the block's queries over all segments so far, <c>[BlockQueries][headDim + RecordHeader]</c>.</summary>
    public float* Records;

    /// <summary>A segment's sums over a group.</summary>
    public float* GroupSums;

    /// <summary>16 numbers for sums over lanes.</summary>
    public float* Lanes;

    /// <summary>First visible KV of each row of the block.</summary>
    public int* Lows;
}
