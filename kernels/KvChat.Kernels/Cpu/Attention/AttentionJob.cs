namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Sizes that the numbers depend on (segments) or that speed depends on (tiles).</summary>
internal static class AttentionSizes
{
    /// <summary>
    /// Most KVs of a segment: softmax sums run within segments, which are then merged in order. A segment is whole pages of one end of a table, as many as
    /// have room (<see cref="PageLayout.SegmentKvs"/>), counted from the end's slot 0; those of the right end come first.
    /// </summary>
    public const int Segment = 256;

    /// <summary>KVs of a panel of widened keys, <c>[headDim][Panel]</c>.</summary>
    public const int Panel = 32;

    /// <summary>Queries of a register tile.</summary>
    public const int Tile = 6;

    /// <summary>Distance of the logits of a tile's queries: a segment, what kernels write beyond it, and no power of two, so that rows do not share cache sets.</summary>
    public const int LogitStride = Segment + 48;

    /// <summary>Numbers that are kept of a query and segment, its largest logit included; rounded so that rows stay aligned.</summary>
    public const int KeptStride = LogitStride + 16;

    /// <summary>Distance of two coordinates of a segment's codes of keys, <c>[headDim][CodeStride]</c>: a segment and what kernels write beyond it.</summary>
    public const int CodeStride = Segment + 16;

    /// <summary>Numbers of the four arrays of scales and zeros of a segment, each this long.</summary>
    public const int ScaleStride = Segment + 32;

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
    /// that keys are not read twice: <c>[rows, segments, group, AttentionSizes.KeptStride]</c>, for each row and segment the probabilities of the group's heads and then their largest logits.
    /// </summary>
    public float** Kept;

    /// <summary>
    /// Null, or per sequence and KV head the first row that has not been added to the pages' scores, -1 where blocks keep no probabilities. Blocks of a head add their rows one after the other, in the
    /// order of the rows.
    /// </summary>
    public int* Added;

    /// <summary>Null, or factors of what each row of the batch records.</summary>
    public float* RowWeights;

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

    /// <summary>Where the first row is noted that an item's head has not added, or null where its blocks keep no probabilities.</summary>
    public readonly int* AddedOf(AttentionItem* item)
    {
        int* added = Added == null ? null : Added + ((long)item->Sequence * KvHeads) + item->KvHead;
        return added == null || *added < 0 ? null : added;
    }

    /// <summary>Segments of an item's head up to its last row.</summary>
    public readonly int SegmentsOf(AttentionItem* item) => SegmentsUpTo(item, Sequences[item->Sequence].RowCount);

    /// <summary>Segments of an item's head up to that row.</summary>
    public readonly int SegmentsUpTo(AttentionItem* item, int endRow) => LowSegments(item) + HighLayout(item)->Segments(HeadOf(item)->Length + endRow);

    /// <summary>Segments of the right end.</summary>
    public readonly int LowSegments(AttentionItem* item) => HeadOf(item)->LowLength == 0 ? 0 : LowLayout(item)->Segments(HeadOf(item)->LowLength);

    /// <summary>Layout of the left end's pages.</summary>
    public readonly PageLayout* HighLayout(AttentionItem* item) => Pages.Layout(Sequences[item->Sequence].Format);

    /// <summary>Layout of the right end's pages.</summary>
    public readonly PageLayout* LowLayout(AttentionItem* item) => Pages.Layout(Sequences[item->Sequence].LowFormat);

    /// <summary>Where a segment is.</summary>
    public readonly SegmentPlace Place(AttentionItem* item, int segment)
    {
        HeadView* head = HeadOf(item);
        int low = LowSegments(item);
        bool isLow = segment < low;
        PageLayout* layout = isLow ? LowLayout(item) : HighLayout(item);
        int index = isLow ? segment : segment - low;
        HeadView end = isLow ? head->LowEnd : *head;
        return new SegmentPlace
        {
            Layout = layout,
            Pages = end.Pages + (index * layout->SegmentPages * end.Stride),
            Stride = end.Stride,
            Start = index * layout->SegmentKvs,
            Length = end.Length,
            IsLow = isLow,
            IsBoundary = low > 0 && segment == low,
            Sums = (isLow ? 0 : LowSumLength(item)) + (index * layout->SegmentKvs),
        };
    }

    /// <summary>Room that the sums of the right end take, with what pooling reads around them.</summary>
    public readonly int LowSumLength(AttentionItem* item)
    {
        int length = HeadOf(item)->LowLength;
        return length == 0 ? 0 : ((length + 15) & ~15) + AttentionSizes.Segment + (2 * ScorePool<SimdScalar, float>.Margin(Sequences[item->Sequence].PoolWidth));
    }

    /// <summary>
    /// Brings a record of the segments so far to the rotation of the next segment's values: where a right end with one has been read and a left end without
    /// follows, or the other way round.
    /// </summary>
    public readonly void Cross(AttentionItem* item, in SegmentPlace place, float* record)
    {
        if (!place.IsBoundary || record[1] == 0 || LowLayout(item)->RotatesValues == place.Layout->RotatesValues)
            return;
        if (place.Layout->RotatesValues)
            Hadamard.Rotate(record + AttentionSizes.RecordHeader, HeadDim);
        else
            Hadamard.Undo(record + AttentionSizes.RecordHeader, HeadDim);
    }

    /// <summary>A query as the keys of a layout want it: scaled, and turned where they are. Returns the sum of its numbers, which their zeros are multiplied with.</summary>
    public readonly float PrepareQuery(PageLayout* layout, float* source, float* target)
    {
        float factor = QueryFactor(layout), sum = 0;
        for (int i = 0; i < HeadDim; i++)
            target[i] = source[i] * factor;
        if (!layout->HasScales)
            return 0;
        if (layout->RotatesKeys)
            Hadamard.Rotate(target, HeadDim);
        for (int i = 0; i < HeadDim; i++)
            sum += target[i];
        return sum;
    }

    /// <summary>First query of a row for the item's KV head; those of the group follow.</summary>
    public readonly float* QueryOf(AttentionItem* item, int row) =>
        Queries + ((long)(Sequences[item->Sequence].FirstRow + row) * QueryStride) + ((long)item->KvHead * Group * HeadDim);

    /// <summary>Where the results of a row go, those of the group behind each other.</summary>
    public readonly float* OutputOf(AttentionItem* item, int row) =>
        Output + ((long)(Sequences[item->Sequence].FirstRow + row) * OutputStride) + ((long)item->KvHead * Group * HeadDim);

    /// <summary>Statistics of a row, two numbers for each query head of the group.</summary>
    public readonly float* StatisticsOf(AttentionItem* item, int row) =>
        Statistics + (2 * (((long)(Sequences[item->Sequence].FirstRow + row) * KvHeads * Group) + ((long)item->KvHead * Group)));

    /// <summary>What queries are multiplied with: the scale, and a part of what makes up for widening keys by shifts.</summary>
    public readonly float QueryFactor(PageLayout* layout) => layout->IsHalf ? Scale * HalfBits.HalfFactor : Scale;

    /// <summary>What dot products are multiplied with to be logits: the rest of it.</summary>
    public static float LogitFactor(PageLayout* layout) => layout->IsHalf ? HalfBits.HalfFactor : 1;

    /// <summary>What probabilities are multiplied with to make up for widening values by shifts.</summary>
    public static float ValueFactor(PageLayout* layout) => layout->IsHalf ? HalfBits.WideningFactor : 1;

    /// <summary>First KV that a row sees of an end.</summary>
    public readonly int FirstVisible(AttentionItem* item, int row, bool isLow)
    {
        if (SlidingWindow == 0)
            return 0;
        HeadView* head = HeadOf(item);
        long limit = (long)Positions[Sequences[item->Sequence].FirstRow + row] - SlidingWindow;
        if (limit < 0)
            return 0;
        return isLow
            ? Pages.FirstAfter(head->LowEnd, LowLayout(item), head->LowLength, (int)limit)
            : Pages.FirstAfter(*head, HighLayout(item), head->Length + row + 1, (int)limit);
    }

    /// <summary>First segment of which a row sees anything.</summary>
    public readonly int FirstSegment(AttentionItem* item, int row)
    {
        HeadView* head = HeadOf(item);
        if (SlidingWindow == 0)
            return 0;
        int low = head->LowLength == 0 ? 0 : FirstVisible(item, row, isLow: true);
        return low < head->LowLength ? low / LowLayout(item)->SegmentKvs : LowSegments(item) + (FirstVisible(item, row, isLow: false) / HighLayout(item)->SegmentKvs);
    }
}

/// <summary>Where a segment is: whole pages of one end of a table.</summary>
internal unsafe struct SegmentPlace
{
    /// <summary>Layout of the pages.</summary>
    public PageLayout* Layout;

    /// <summary>First page.</summary>
    public int* Pages;

    /// <summary>1, or -1 in a right end.</summary>
    public int Stride;

    /// <summary>First KV, counted in the end.</summary>
    public int Start;

    /// <summary>KVs of the end, before the step.</summary>
    public int Length;

    /// <summary>Whether the end is the right one, which all rows see whole.</summary>
    public bool IsLow;

    /// <summary>Whether it is the first segment behind those of a right end.</summary>
    public bool IsBoundary;

    /// <summary>Where its sums are in a row of sums.</summary>
    public int Sums;

    /// <summary>What a row sees of the segment, counted in it, given the first KV that it sees of the end; false for nothing.</summary>
    public readonly bool Range(int row, int firstVisible, out int low, out int high)
    {
        low = Math.Max(firstVisible - Start, 0);
        high = Math.Min((IsLow ? Length : Length + row + 1) - Start, Layout->SegmentKvs);
        return low < high;
    }

    /// <summary>Id of a page of the segment.</summary>
    public readonly int Page(int index) => Pages[index * Stride];
}

/// <summary>Memory of one worker.</summary>
internal unsafe struct WorkerScratch
{
    /// <summary>Scaled queries, <c>[tiles][headDim][Tile]</c>.</summary>
    public float* Queries;

    /// <summary>Widened keys of a segment, <c>[panels][headDim][Panel]</c>; levels of codes as <c>[headDim][CodeStride]</c>.</summary>
    public float* Keys;

    /// <summary>Scales and zeros of a segment's keys, then of its values, four times ScaleStride.</summary>
    public float* Scales;

    /// <summary>Sum of each prepared query, as zeros of keys need it.</summary>
    public float* QuerySums;

    /// <summary>Queries of a tile, prepared one by one, <c>[Tile][headDim]</c>.</summary>
    public float* Prepared;

    /// <summary>Widened values of a segment, <c>[Segment][headDim]</c>.</summary>
    public float* Values;

    /// <summary>Log-weights of a segment.</summary>
    public float* LogWeights;

    /// <summary>Logits, then probabilities of a tile, <c>[Tile][LogitStride]</c>.</summary>
    public float* Logits;

    /// <summary>Probabilities of a block that adds its rows to the pages' scores, <c>[segments][tiles][Tile][LogitStride]</c>, then the largest logits, <c>[segments][tiles][Tile]</c>; or null.</summary>
    public float* Block;

    /// <summary>Where the probabilities of the tile at hand stay in <see cref="Block"/>, or null.</summary>
    public float* KeptTile;

    /// <summary>Records of a tile for the segment at hand, <c>[Tile][headDim + RecordHeader]</c>.</summary>
    public float* TileRecords;

    /// <summary>Records of the block's queries over all segments so far, <c>[BlockQueries][headDim + RecordHeader]</c>.</summary>
    public float* Records;

    /// <summary>A segment's sums over a group.</summary>
    public float* GroupSums;

    /// <summary>16 numbers for sums over lanes.</summary>
    public float* Lanes;

    /// <summary>Time that went into recording attention right behind attending, in ticks.</summary>
    public long ScoringTicks;

    /// <summary>First visible KV of the left end for each row of the block.</summary>
    public int* Lows;

    /// <summary>First visible KV of the right end for each row of the block.</summary>
    public int* LowEndLows;
}
