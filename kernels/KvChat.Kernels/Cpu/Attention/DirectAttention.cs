using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Attention of one or two rows straight from pages of halves: each segment is read once for all query heads of the group.</summary>
internal static unsafe class DirectAttention<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Query heads that a segment's logits have room for.</summary>
    public const int LargestGroup = 8;

    // KVs whose keys are multiplied at a time, from one page or two.
    private const int Run = 16;

    /// <summary>Whether these kernels do an item: few queries, halves, whole registers of coordinates.</summary>
    public static bool Takes(AttentionJob* job, AttentionItem* item) =>
        job->FormatOf(item) == KvFormat.F16 && item->EndRow - item->FirstRow <= 2 && job->Group <= LargestGroup
        && job->HeadDim % DirectTiles<TSimd, TVector>.DimensionStep == 0;

    /// <summary>Rows of an item: results, or partial records.</summary>
    public static void Attend(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        int size = job->RecordSize, group = job->Group;
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            int low = job->FirstVisible(item, row);
            Interleave(job, item, row, scratch->Queries);
            for (int i = 0; i < group; i++)
                SoftmaxRecord.Clear(scratch->Records + (i * size), job->HeadDim);
            for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
            {
                AttendSegment(job, item, scratch, segment, row, low);
                for (int i = 0; i < group; i++)
                {
                    float* record = scratch->TileRecords + (i * size);
                    int query = ((row - item->FirstRow) * group) + i;
                    if (item->Partials == null)
                        VectorAttention<TSimd, TVector>.Merge(scratch->Records + (i * size), record, job->HeadDim);
                    else
                        Unsafe.CopyBlock(item->Partials + ((((long)query * item->PartialSegments) + segment - item->PartialFirst) * size), record, (uint)(size * sizeof(float)));
                }
            }

            for (int i = 0; i < group && item->Partials == null; i++)
                ScalarAttention.Finish(job, item, scratch->Records + (i * size), row, i);
        }
    }

    /// <summary>Adds an item's rows to the scores of its pages, from the probabilities that <see cref="Attend"/> has kept.</summary>
    public static void Observe(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        int segments = job->SegmentsOf(item), queries = job->Sequences[item->Sequence].RowCount * job->Group;
        bool squared = job->Sequences[item->Sequence].Squared;
        float* maxima = job->KeptOf(item), probabilities = maxima + (queries * segments);
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            int lowest = job->FirstVisible(item, row);
            for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
            {
                int start = segment * AttentionSizes.Segment, low = Math.Max(lowest - start, 0), high = Math.Min(job->HeadOf(item)->Length + row + 1 - start, AttentionSizes.Segment);
                if (low >= high)
                    continue;
                new Span<float>(scratch->GroupSums, AttentionSizes.Segment).Clear();
                for (int i = 0; i < job->Group; i++)
                {
                    long place = ((((long)row * job->Group) + i) * segments) + segment;
                    float weight = SoftmaxRecord.SegmentWeight(maxima[place], job->StatisticsOf(item, row) + (2 * i));
                    VectorAttention<TSimd, TVector>.AddSquares(probabilities + (place * AttentionSizes.Segment), low, high, 1 / HalfBits.WideningFactor, weight, squared, scratch->GroupSums);
                }

                ScalarAttention.AddScores(job, item, scratch->GroupSums, row, lowest, segment);
            }
        }
    }

    // Sizes of tiles: as few as there can be, as even as can be.
    private static int TileEnd(int group, int first)
    {
        int tiles = (group + DirectTiles<TSimd, TVector>.LargestTile - 1) / DirectTiles<TSimd, TVector>.LargestTile;
        return Math.Min(group, first + ((group + tiles - 1) / tiles));
    }

    private static void Interleave(AttentionJob* job, AttentionItem* item, int row, float* target)
    {
        float factor = job->QueryFactor(item);
        for (int first = 0; first < job->Group;)
        {
            int end = TileEnd(job->Group, first), count = end - first;
            for (int i = 0; i < count; i++)
            {
                float* source = job->QueryOf(item, row) + ((first + i) * job->HeadDim), place = target + (first * job->HeadDim) + i;
                for (int dim = 0; dim < job->HeadDim; dim++)
                    place[dim * count] = source[dim] * factor;
            }

            first = end;
        }
    }

    private static void AttendSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int segment, int row, int lowest)
    {
        int size = job->RecordSize, start = segment * AttentionSizes.Segment;
        for (int i = 0; i < job->Group; i++)
            SoftmaxRecord.Clear(scratch->TileRecords + (i * size), job->HeadDim);
        int low = Math.Max(lowest - start, 0), high = Math.Min(job->HeadOf(item)->Length + row + 1 - start, AttentionSizes.Segment);
        if (low >= high)
            return;
        int* pages = job->HeadOf(item)->Pages + (start / job->Pages.PageTokens);
        int* following = segment + 1 < item->EndSegment ? job->HeadOf(item)->Pages + ((start + AttentionSizes.Segment) / job->Pages.PageTokens) : pages;
        Logits(job, scratch, pages, low, high);
        for (int i = 0; i < job->Group; i++)
        {
            float* logWeights = job->Pages.HasLogWeights ? scratch->LogWeights : null;
            SegmentSoftmax<TSimd, TVector>.Run(
                scratch->Logits + (i * AttentionSizes.LogitStride), low, high, job->LogitFactor(item), job->SoftCap, logWeights, job->ValueFactor(item), scratch->Lanes, scratch->TileRecords + (i * size));
        }

        if (job->KeptOf(item) != null)
            Keep(job, item, scratch, segment, row);
        Weigh(job, scratch, pages, following, low, high);
    }

    private static void Keep(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int segment, int row)
    {
        int segments = job->SegmentsOf(item), queries = job->Sequences[item->Sequence].RowCount * job->Group;
        float* maxima = job->KeptOf(item), probabilities = maxima + (queries * segments);
        for (int i = 0; i < job->Group; i++)
        {
            long place = ((((long)row * job->Group) + i) * segments) + segment;
            maxima[place] = scratch->TileRecords[i * job->RecordSize];
            Unsafe.CopyBlock(probabilities + (place * AttentionSizes.Segment), scratch->Logits + (i * AttentionSizes.LogitStride), AttentionSizes.Segment * sizeof(float));
        }
    }

    private static void Logits(AttentionJob* job, WorkerScratch* scratch, int* pages, int low, int high)
    {
        PageView view = job->Pages;
        int slots = view.PageTokens, headDim = job->HeadDim, begin = low & ~(Run - 1);
        for (int kv = begin; kv < high; kv += 2 * Run)
        {
            // An odd last run is read twice; what the second reading gives lies beyond the visible KVs.
            int other = kv + Run < high ? kv + Run : kv, next = kv + (2 * Run);
            uint* keys = Keys(view, pages, slots, kv), more = Keys(view, pages, slots, other);
            byte* ahead = next < high ? (byte*)Keys(view, pages, slots, next) : view.Values(pages[low / slots]);
            byte* aheadToo = next + Run < high ? (byte*)Keys(view, pages, slots, next + Run) : view.Values(pages[Math.Min(low + Run, high - 1) / slots]);
            for (int first = 0; first < job->Group;)
            {
                int end = TileEnd(job->Group, first);
                float* logits = scratch->Logits + (first * AttentionSizes.LogitStride) + kv;
                DirectTiles<TSimd, TVector>.Logits(end - first, scratch->Queries + (first * headDim), headDim, keys, more, slots, ahead, aheadToo, logits);
                first = end;
            }
        }

        if (!view.HasLogWeights)
            return;
        for (int kv = low / slots * slots; kv < high; kv += slots)
            Unsafe.CopyBlock(scratch->LogWeights + kv, view.LogWeights(pages[kv / slots]), (uint)(slots * sizeof(float)));
    }

    private static void Weigh(AttentionJob* job, WorkerScratch* scratch, int* pages, int* following, int low, int high)
    {
        PageView view = job->Pages;
        int slots = view.PageTokens, headDim = job->HeadDim;
        for (int kv = low; kv < high;)
        {
            int page = kv / slots, slot = kv % slots, count = Math.Min(slots - slot, high - kv);
            byte* ahead = kv + count < high ? view.Values(pages[page + 1]) : view.Keys(following[0]);
            for (int first = 0; first < job->Group;)
            {
                int end = TileEnd(job->Group, first);
                float* probabilities = scratch->Logits + (first * AttentionSizes.LogitStride) + kv;
                float* outputs = scratch->TileRecords + (first * job->RecordSize) + AttentionSizes.RecordHeader;
                DirectTiles<TSimd, TVector>.Weigh(end - first, probabilities, count, (ushort*)view.Values(pages[page]) + (slot * headDim), headDim, ahead, outputs, job->RecordSize);
                first = end;
            }

            kv += count;
        }
    }

    // First pair of a run of 16 slots.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Keys(in PageView view, int* pages, int slots, int kv) => (uint*)view.Keys(pages[kv / slots]) + (kv % slots);
}
