using System.Diagnostics;
using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Cuts attention into items for the worker team and puts the pieces together. Owns the memory that they need, which grows and stays.</summary>
internal sealed unsafe class AttentionRunner(WorkerTeam team, int width) : IDisposable
{
    // Below this many multiplications waking the others costs more than they save.
    private const long WorthThreads = 1 << 16;

    // Long prompts on many threads would otherwise write partial records without end.
    private const long LargestPartials = 128L << 20;

    // Probabilities that a worker's block keeps, in numbers, and the tiles that it has in any case: fewer read keys and values too often, more leave the cache.
    private const long UsualBlock = 1 << 21;
    private const int LeastTiles = 4;

    private readonly AttentionKernels _kernels = AttentionKernels.Of(width);
    private readonly GrowingBuffer _scratch = new();
    private readonly GrowingBuffer _items = new();
    private readonly GrowingBuffer _partials = new();
    private readonly GrowingBuffer _statistics = new();
    private readonly GrowingBuffer _sums = new();
    private readonly GrowingBuffer _kept = new();
    private readonly GrowingBuffer _blocks = new();
    private int _blockRows;

    /// <summary>Kernels of the width in use.</summary>
    public AttentionKernels Kernels => _kernels;

    /// <summary>Runs a whole attention operation; its fields have been checked.</summary>
    public void Attend(AttentionJob* job, KvBatch batch, bool observes)
    {
        _blockRows = Math.Max(1, AttentionSizes.BlockQueries / job->Group);
        job->BlockRows = _blockRows;
        job->Scratch = Scratch(job);
        if (observes)
        {
            job->Statistics = (float*)_statistics.Ensure((long)batch.RowCount * job->KvHeads * job->Group * 2 * sizeof(float));
            job->Kept = Kept(job, batch);
            job->Added = Added(job, batch);
        }

        AttendBlocks(job, batch);
        if (!observes)
            return;
        long start = Stopwatch.GetTimestamp(), longest = 0;
        for (int i = 0; i < team.Count; i++)
            longest = Math.Max(longest, job->Scratch[i].ScoringTicks);
        Observe(job, batch);
        batch.ScoringTicks += Stopwatch.GetTimestamp() - start + longest;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scratch.Dispose();
        _items.Dispose();
        _partials.Dispose();
        _statistics.Dispose();
        _sums.Dispose();
        _kept.Dispose();
        _blocks.Dispose();
    }

    private void Run(AttentionJob* job, delegate*<AttentionJob*, AttentionItem*, WorkerScratch*, void> work, AttentionItem* items, int count, long cost)
    {
        job->Work = work;
        job->Items = items;
        job->ItemCount = count;
        job->Next = 0;
        if (count <= 1 || cost < WorthThreads)
            AttentionJob.Run(job, 0);
        else
            team.Run(&AttentionJob.Run, job);
    }

    // Blocks of rows, heaviest first, or in order where they add their rows one after the other; too few of them for the team are cut by segments.
    private void AttendBlocks(AttentionJob* job, KvBatch batch)
    {
        int count = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
            count += Blocks(batch.Sequences[s].RowCount, BlockRows(job, s)) * job->KvHeads;
        AttentionItem* blocks = (AttentionItem*)_items.Ensure((long)count * sizeof(AttentionItem));
        long segments = 0, cost = 0, records = 0;
        int next = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            int rows = batch.Sequences[s].RowCount, blockRows = BlockRows(job, s), last = Blocks(rows, blockRows) - 1;
            bool ascends = KeepsBlocks(job, s);
            for (int i = 0; i <= last; i++)
            {
                int block = ascends ? i : last - i;
                for (int head = 0; head < job->KvHeads; head++)
                {
                    AttentionItem* item = blocks + next++;
                    *item = Item(job, s, head, block * blockRows, Math.Min(rows, (block + 1) * blockRows));
                    segments += item->EndSegment - item->FirstSegment;
                    records += (long)(item->EndSegment - item->FirstSegment) * (item->EndRow - item->FirstRow) * job->Group;
                    cost += (long)(item->EndRow - item->FirstRow) * job->Group * (job->HeadOf(item)->LowLength + job->HeadOf(item)->Length + item->EndRow) * job->HeadDim;
                }
            }
        }

        if (job->Added == null && team.Count > 1 && count < 4 * team.Count && segments > count && cost >= WorthThreads && records * job->RecordSize * sizeof(float) <= LargestPartials)
            AttendPieces(job, count, (int)Math.Max(1, segments / (6 * team.Count)), records, cost);
        else
            Run(job, _kernels.Attend, blocks, count, cost);
    }

    private void AttendPieces(AttentionJob* job, int blockCount, int length, long records, long cost)
    {
        int pieces = 0;
        AttentionItem* blocks = (AttentionItem*)_items.Data;
        for (int i = 0; i < blockCount; i++)
        {
            int segments = blocks[i].EndSegment - blocks[i].FirstSegment;
            pieces += (segments + length - 1) / length;
        }

        blocks = (AttentionItem*)_items.Ensure((long)(blockCount + pieces) * sizeof(AttentionItem));
        float* partials = (float*)_partials.Ensure(records * job->RecordSize * sizeof(float));
        AttentionItem* items = blocks + blockCount;
        int next = 0;
        for (int i = 0; i < blockCount; i++)
        {
            AttentionItem* block = blocks + i;
            block->Partials = partials;
            block->PartialFirst = block->FirstSegment;
            block->PartialSegments = block->EndSegment - block->FirstSegment;
            partials += (long)block->PartialSegments * (block->EndRow - block->FirstRow) * job->Group * job->RecordSize;
            next += Cut(block, length, items + next);
        }

        Run(job, _kernels.Attend, items, pieces, cost);
        Run(job, _kernels.MergePartials, blocks, blockCount, records * job->HeadDim / 4);
    }

    // What was not recorded while attending. An item per run of segments; where a window is observed, one more per head that pools its sums afterwards.
    private void Observe(AttentionJob* job, KvBatch batch)
    {
        int heads = 0;
        long sums = 0, segments = 0;
        for (int i = 0; i < batch.SequenceCount * job->KvHeads; i++)
        {
            if (!Observed(job, i, out AttentionItem item))
                continue;
            heads++;
            segments += item.EndSegment - item.FirstSegment;
            sums += (long)job->Group * item.SumStride;
        }

        if (heads == 0)
            return;
        int length = team.Count == 1 ? int.MaxValue : (int)Math.Max(1, segments / (6 * team.Count));
        AttentionItem* windows = (AttentionItem*)_items.Ensure((heads + segments) * sizeof(AttentionItem)), items = windows + heads;
        float* next = (float*)_sums.Ensure(sums * sizeof(float));
        NativeMemory.Clear(next, (nuint)(sums * sizeof(float)));
        int windowCount = 0, itemCount = 0;
        long cost = 0;
        for (int i = 0; i < batch.SequenceCount * job->KvHeads; i++)
        {
            if (!Observed(job, i, out AttentionItem item))
                continue;
            if (item.SumStride != 0)
            {
                item.Sums = next + ScorePool<SimdScalar, float>.Margin(job->Sequences[item.Sequence].PoolWidth);
                next += (long)job->Group * item.SumStride;
                windows[windowCount++] = item;
            }

            cost += (long)(item.EndRow - item.FirstRow) * job->Group * (item.EndSegment - item.FirstSegment) * AttentionSizes.Segment * job->HeadDim;
            itemCount += Cut(&item, length, items + itemCount);
        }

        Run(job, _kernels.Observe, items, itemCount, cost);
        Run(job, _kernels.Pool, windows, windowCount, sums * 4);
    }

    // Items of at most that many segments.
    private static int Cut(AttentionItem* item, int length, AttentionItem* pieces)
    {
        int count = 0;
        for (int segment = item->FirstSegment; segment < item->EndSegment; count++)
        {
            pieces[count] = *item;
            pieces[count].FirstSegment = segment;
            segment = item->EndSegment - segment <= length ? item->EndSegment : segment + length;
            pieces[count].EndSegment = segment;
        }

        return count;
    }

    // Room for the probabilities of decoding rows whose scores are accumulated.
    private float** Kept(AttentionJob* job, KvBatch batch)
    {
        int heads = batch.SequenceCount * job->KvHeads;
        long table = ((long)heads * sizeof(float*)) + NativeBuffer.Alignment, floats = 0;
        for (int i = 0; i < heads; i++)
            floats += KeptSize(job, i / job->KvHeads, i % job->KvHeads);
        if (floats == 0)
            return null;
        float** kept = (float**)_kept.Ensure(table + (floats * sizeof(float)));
        float* next = (float*)((byte*)kept + table);
        for (int i = 0; i < heads; i++)
        {
            long size = KeptSize(job, i / job->KvHeads, i % job->KvHeads);
            kept[i] = size == 0 ? null : next;
            next += size;
        }

        return kept;
    }

    private long KeptSize(AttentionJob* job, int sequence, int head)
    {
        SequenceSlice* slice = job->Sequences + sequence;
        AttentionItem item = new() { Sequence = sequence, KvHead = head, EndRow = slice->RowCount };
        return slice->Observation == ObservationMode.Accumulate && slice->ObservedRows > 0 && _kernels.IsDirect(job, &item)
            ? (long)slice->RowCount * job->Group * job->SegmentsOf(&item) * AttentionSizes.KeptStride : 0;
    }

    // The observed rows of a sequence and KV head whose probabilities were not kept, if any. A row of sums covers whole segments, with a margin on both sides for pooling.
    private static bool Observed(AttentionJob* job, int head, out AttentionItem item)
    {
        item = default;
        SequenceSlice* slice = job->Sequences + (head / job->KvHeads);
        if (slice->Observation == ObservationMode.None || slice->ObservedRows == 0)
            return false;
        item = Item(job, head / job->KvHeads, head % job->KvHeads, slice->RowCount - slice->ObservedRows, slice->RowCount);
        fixed (AttentionItem* found = &item)
        {
            if (job->KeptOf(found) != null || job->AddedOf(found) != null)
                return false;
        }

        if (slice->Observation == ObservationMode.Window)
        {
            AttentionItem found = item;
            int high = (job->HeadOf(&found)->Length + slice->RowCount + 15) & ~15;
            item.SumStride = job->LowSumLength(&found) + high + AttentionSizes.Segment + (2 * ScorePool<SimdScalar, float>.Margin(slice->PoolWidth));
        }

        return true;
    }

    private static AttentionItem Item(AttentionJob* job, int sequence, int head, int firstRow, int endRow)
    {
        AttentionItem item = new() { Sequence = sequence, KvHead = head, FirstRow = firstRow, EndRow = endRow };
        item.FirstSegment = job->FirstSegment(&item, firstRow);
        item.EndSegment = job->SegmentsUpTo(&item, endRow);
        return item;
    }

    // Per head the first row that has not been added, where its blocks keep their probabilities; and room for them.
    private int* Added(AttentionJob* job, KvBatch batch)
    {
        long block = 0;
        for (int s = 0; s < batch.SequenceCount; s++)
        {
            if (KeepsBlocks(job, s))
                block = Math.Max(block, BlockScores<SimdScalar, float>.Size(BlockRows(job, s) * job->Group, LongestOf(job, s)));
        }

        if (block == 0)
            return null;
        block = (block + 15) & ~15L;
        int heads = batch.SequenceCount * job->KvHeads;
        long floats = ((heads + 15L) & ~15L) + AttentionSizes.LogitStride;
        float* data = (float*)_blocks.Ensure((floats + (block * team.Count)) * sizeof(float));
        for (int i = 0; i < team.Count; i++)
            job->Scratch[i].Block = data + floats + (i * block);
        int* added = (int*)data;
        for (int i = 0; i < heads; i++)
            added[i] = KeepsBlocks(job, i / job->KvHeads) ? 0 : -1;
        return added;
    }

    // Rows that all add to scores, in more rows than are read straight from pages. Too few for the team are cut by segments instead, and read keys twice.
    private bool KeepsBlocks(AttentionJob* job, int sequence)
    {
        SequenceSlice* slice = job->Sequences + sequence;
        return _kernels.KeepsBlocks && slice->RowCount > DirectAttention<SimdScalar, float>.MostRows && slice->Observation == ObservationMode.Accumulate && slice->ObservedRows == slice->RowCount
            && (long)slice->RowCount * job->Group * job->KvHeads >= LeastTiles * AttentionSizes.Tile * team.Count;
    }

    // Rows of a block: what it keeps is to stay in the cache, and there are to be some blocks for each worker.
    private int BlockRows(AttentionJob* job, int sequence)
    {
        if (!KeepsBlocks(job, sequence))
            return _blockRows;
        long queries = UsualBlock / (LongestOf(job, sequence) * AttentionSizes.LogitStride), blocks = (4L * team.Count / job->KvHeads) + 1;
        long rows = Math.Min(queries / job->Group, job->Sequences[sequence].RowCount / blocks);
        return (int)Math.Clamp(rows, Math.Max(1, LeastTiles * AttentionSizes.Tile / job->Group), _blockRows);
    }

    // Most segments that a head of a sequence has.
    private static int LongestOf(AttentionJob* job, int sequence)
    {
        int longest = 0;
        for (int head = 0; head < job->KvHeads; head++)
        {
            AttentionItem item = new() { Sequence = sequence, KvHead = head };
            longest = Math.Max(longest, job->SegmentsOf(&item));
        }

        return longest;
    }

    private static int Blocks(int rows, int blockRows) => (rows + blockRows - 1) / blockRows;

    private WorkerScratch* Scratch(AttentionJob* job)
    {
        long headDim = job->HeadDim, record = job->RecordSize;
        long queries = ((_blockRows * job->Group) + AttentionSizes.Tile - 1) / AttentionSizes.Tile * AttentionSizes.Tile;
        long table = (((long)sizeof(WorkerScratch) * team.Count) + 63) / 64 * 64;
        long rows = Math.Max(AttentionSizes.Tile, DirectAttention<SimdScalar, float>.LargestGroup);
        queries = Math.Max(queries, rows);
        long floats = (queries * (headDim + record + 1)) + (AttentionSizes.CodeStride * headDim) + (AttentionSizes.Segment * (headDim + 2)) + (4 * AttentionSizes.ScaleStride)
            + (rows * (headDim + AttentionSizes.LogitStride + record)) + 32 + (2 * (_blockRows + 15));
        floats = (floats + 63) / 16 * 16;
        byte* data = _scratch.Ensure(table + (floats * sizeof(float) * team.Count));
        WorkerScratch* scratch = (WorkerScratch*)data;
        for (int i = 0; i < team.Count; i++)
        {
            float* next = (float*)(data + table) + (i * floats);
            WorkerScratch* own = scratch + i;
            own->Queries = next;
            own->Keys = own->Queries + (queries * headDim);
            own->Values = own->Keys + (AttentionSizes.CodeStride * headDim);
            own->LogWeights = own->Values + (AttentionSizes.Segment * headDim);
            own->GroupSums = own->LogWeights + AttentionSizes.Segment;
            own->Logits = own->GroupSums + AttentionSizes.Segment;
            own->TileRecords = own->Logits + (rows * AttentionSizes.LogitStride);
            own->Records = own->TileRecords + (rows * record);
            own->Lanes = own->Records + (queries * record);
            own->Scales = own->Lanes + 16;
            own->Prepared = own->Scales + (4 * AttentionSizes.ScaleStride);
            own->ScoringTicks = 0;
            own->Block = null;
            own->KeptTile = null;
            own->QuerySums = own->Prepared + (rows * headDim);
            own->Lows = (int*)(own->QuerySums + queries);
            own->LowEndLows = own->Lows + _blockRows;
        }

        return scratch;
    }
}
