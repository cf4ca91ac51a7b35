using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Attention of one or two rows straight from pages of halves or codes: each segment is read once for all query heads of the group.</summary>
internal static unsafe class DirectAttention<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Query heads that a segment's logits have room for.</summary>
    public const int LargestGroup = 8;

    /// <summary>Most rows of an item that they do.</summary>
    public const int MostRows = 2;

    // KVs whose keys are multiplied at a time, from one page or two.
    private const int Run = 16;

    /// <summary>Whether these kernels do an item: few queries, formats that are read from pages, whole registers of coordinates.</summary>
    public static bool Takes(AttentionJob* job, AttentionItem* item) =>
        item->EndRow - item->FirstRow <= MostRows && job->Group <= LargestGroup && Takes(job, job->HighLayout(item))
        && (job->HeadOf(item)->LowLength == 0 || Takes(job, job->LowLayout(item)));

    private static bool Takes(AttentionJob* job, PageLayout* layout) => layout->Format switch
    {
        KvFormat.F32 => false,
        KvFormat.F16 => job->HeadDim % DirectTiles<TSimd, TVector>.DimensionStep == 0,
        _ => job->HeadDim % CodeTiles<TSimd, TVector>.DimensionStep == 0,
    };

    /// <summary>Rows of an item: results, or partial records.</summary>
    public static void Attend(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        int size = job->RecordSize, group = job->Group;
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            for (int i = 0; i < group; i++)
                SoftmaxRecord.Clear(scratch->Records + (i * size), job->HeadDim);
            for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
            {
                SegmentPlace place = job->Place(item, segment);
                if (segment == item->FirstSegment || place.IsBoundary)
                    Interleave(job, item, row, place.Layout, scratch);
                AttendSegment(job, item, scratch, place, segment, row);
                for (int i = 0; i < group; i++)
                {
                    float* record = scratch->TileRecords + (i * size);
                    int query = ((row - item->FirstRow) * group) + i;
                    if (item->Partials != null)
                    {
                        Unsafe.CopyBlock(item->Partials + ((((long)query * item->PartialSegments) + segment - item->PartialFirst) * size), record, (uint)(size * sizeof(float)));
                        continue;
                    }

                    job->Cross(item, place, scratch->Records + (i * size));
                    VectorAttention<TSimd, TVector>.Merge(scratch->Records + (i * size), record, job->HeadDim);
                }
            }

            if (item->Partials != null)
                continue;
            for (int i = 0; i < group; i++)
                ScalarAttention.Finish(job, item, scratch->Records + (i * size), row, i);
            Observe(job, item, scratch, row);
        }
    }

    /// <summary>
    /// Adds a row to the scores of its head's pages, from the probabilities that <see cref="Attend"/> has kept, or does nothing where it kept none. The head's results must be
    /// finished: probabilities are of their segments and need the whole row's maximum and sum.
    /// </summary>
    public static void Observe(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int row)
    {
        SequenceSlice* slice = job->Sequences + item->Sequence;
        if (job->KeptOf(item) == null || row < slice->RowCount - slice->ObservedRows)
            return;
        long start = Stopwatch.GetTimestamp();
        if (slice->Largest)
            Observe<LargestWeight<TSimd, TVector>>(job, item, scratch, row);
        else if (slice->LargestOfGroup)
            Observe<SumOfLargest<TSimd, TVector>>(job, item, scratch, row);
        else if (slice->Squared)
            Observe<SumOfSquares<TSimd, TVector>>(job, item, scratch, row);
        else
            Observe<SumOfWeights<TSimd, TVector>>(job, item, scratch, row);
        scratch->ScoringTicks += Stopwatch.GetTimestamp() - start;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Observe<TReduction>(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int row)
        where TReduction : struct, IScoreReduction<TVector>
    {
        int visible = job->FirstVisible(item, row, isLow: false), visibleLow = job->LowSegments(item) == 0 ? 0 : job->FirstVisible(item, row, isLow: true), group = job->Group;
        float* statistics = job->StatisticsOf(item, row), maxima = stackalloc float[Run], reciprocals = stackalloc float[Run], weights = stackalloc float[Run];
        for (int i = 0; i < Run; i++)
        {
            maxima[i] = i < group ? statistics[2 * i] : 0;
            reciprocals[i] = i < group ? statistics[(2 * i) + 1] : 0;
        }

        float* probabilities = Kept(job, item, item->FirstSegment, row);
        for (int segment = item->FirstSegment; segment < item->EndSegment; segment++, probabilities += AttentionSizes.KeptStride * group)
        {
            SegmentPlace place = job->Place(item, segment);
            if (!place.Range(row, place.IsLow ? visibleLow : visible, out int low, out int high))
                continue;
            Weights(probabilities + (group * AttentionSizes.LogitStride), maxima, reciprocals, group, weights);
            if (place.Layout->Slots % Run == 0)
                AddPages<TReduction>(job, place, probabilities, weights, low, high);
            else
                AddSegment(job, place, job->Sequences[item->Sequence], probabilities, weights, low, high, scratch->GroupSums);
        }
    }

    // As SoftmaxRecord.SegmentWeight, to the bit, for all heads of the group.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weights(float* segmentMaxima, float* maxima, float* reciprocals, int group, float* weights)
    {
        for (int i = 0; i < group; i += TSimd.Count)
            TSimd.Store(weights + i, TSimd.Multiply(VectorMath<TSimd, TVector>.Exp(TSimd.Subtract(TSimd.Load(segmentMaxima + i), TSimd.Load(maxima + i))), TSimd.Load(reciprocals + i)));
        for (int i = 0; i < group; i++)
            weights[i] = segmentMaxima[i] == float.NegativeInfinity ? 0 : weights[i];
    }

    // Pages of whole groups: what a group of 16 holds beyond low..high-1 has the probability 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPages<TReduction>(AttentionJob* job, in SegmentPlace place, float* probabilities, float* weights, int low, int high)
        where TReduction : struct, IScoreReduction<TVector>
    {
        int slots = place.Layout->Slots, group = job->Group, end = (high + Run - 1) & ~(Run - 1);
        TVector factor = TSimd.Create(1 / AttentionJob.ValueFactor(place.Layout));
        int kv = low & ~(Run - 1), page = kv / slots;
        for (; kv < end; page++)
        {
            int stop = Math.Min(end, (page + 1) * slots);
            float* scores = (float*)(job->Pages.Page(place.Page(page)) + place.Layout->Scores) - (page * slots);
            for (; kv < stop; kv += TSimd.Count)
            {
                TVector sum = TSimd.Zero;
                float* p = probabilities + kv;
                for (int i = 0; i < group; i++, p += AttentionSizes.LogitStride)
                    sum = TReduction.OverGroup(TSimd.Multiply(TSimd.Multiply(TSimd.Load(p), factor), TSimd.Create(weights[i])), sum);
                TSimd.Store(scores + kv, TReduction.OverRows(sum, TSimd.Load(scores + kv)));
            }
        }
    }

    private static void AddSegment(AttentionJob* job, in SegmentPlace place, in SequenceSlice slice, float* probabilities, float* weights, int low, int high, float* sums)
    {
        new Span<float>(sums, AttentionSizes.Segment).Clear();
        for (int i = 0; i < job->Group; i++)
        {
            VectorAttention<TSimd, TVector>.AddSquares(
                probabilities + (i * AttentionSizes.LogitStride), low, high, 1 / AttentionJob.ValueFactor(place.Layout), weights[i], slice.Squared, slice.Largest || slice.LargestOfGroup, sums);
        }

        AddScores(job, place, sums, low, high, slice.Largest);
    }

    /// <summary>As <see cref="ScalarAttention.AddScores"/>, to the bit: every KV's sum is its own.</summary>
    private static void AddScores(AttentionJob* job, in SegmentPlace place, float* sums, int from, int to, bool largest)
    {
        int slots = place.Layout->Slots, page = from / slots, slot = from % slots;
        for (int kv = from; kv < to; page++, slot = 0)
        {
            float* scores = (float*)(job->Pages.Page(place.Page(page)) + place.Layout->Scores) + slot;
            int count = Math.Min(slots - slot, to - kv), i = 0;
            for (; i + TSimd.Count <= count; i += TSimd.Count)
            {
                TVector sum = TSimd.Load(sums + kv + i), score = TSimd.Load(scores + i);
                TSimd.Store(scores + i, largest ? TSimd.Greater(sum, score) : TSimd.Add(score, sum));
            }

            for (; i < count; i++)
                scores[i] = !largest ? scores[i] + sums[kv + i] : sums[kv + i] > scores[i] ? sums[kv + i] : scores[i];
            kv += count;
        }
    }

    // Sizes of tiles: as few as there can be, as even as can be.
    private static int TileEnd(int group, int first)
    {
        int tiles = (group + DirectTiles<TSimd, TVector>.LargestTile - 1) / DirectTiles<TSimd, TVector>.LargestTile;
        return Math.Min(group, first + ((group + tiles - 1) / tiles));
    }

    private static void Interleave(AttentionJob* job, AttentionItem* item, int row, PageLayout* layout, WorkerScratch* scratch)
    {
        float* target = scratch->Queries;
        for (int first = 0; first < job->Group;)
        {
            int end = TileEnd(job->Group, first), count = end - first;
            for (int i = 0; i < count; i++)
            {
                scratch->QuerySums[first + i] = job->PrepareQuery(layout, job->QueryOf(item, row) + ((first + i) * job->HeadDim), scratch->Prepared);
                float* place = target + (first * job->HeadDim) + i;
                for (int dim = 0; dim < job->HeadDim; dim++)
                    place[dim * count] = scratch->Prepared[dim];
            }

            first = end;
        }
    }

    private static void AttendSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int segment, int row)
    {
        int size = job->RecordSize;
        for (int i = 0; i < job->Group; i++)
            SoftmaxRecord.Clear(scratch->TileRecords + (i * size), job->HeadDim);
        if (!place.Range(row, job->FirstVisible(item, row, place.IsLow), out int low, out int high))
            return;
        bool half = place.Layout->IsHalf;
        float* usual = scratch->Logits, kept = Kept(job, item, segment, row);
        if (kept != null && !place.Layout->HasScales)
            scratch->Logits = kept; // they stay as they are
        int* following = segment + 1 < item->EndSegment ? job->Place(item, segment + 1).Pages : place.Pages;
        if (half)
            Logits(job, scratch, place, low, high);
        else
            CodeLogits(job, scratch, place, following, low, high);
        for (int i = 0; i < job->Group; i++)
        {
            float* logWeights = job->Pages.HasLogWeights ? scratch->LogWeights : null;
            float* logits = scratch->Logits + (i * AttentionSizes.LogitStride);
            if (place.Layout->HasScales)
                SegmentScales.FinishLogits<TSimd, TVector>(logits, low, high, scratch->QuerySums[i], scratch->Scales);
            SegmentSoftmax<TSimd, TVector>.Run(
                logits, low, high, AttentionJob.LogitFactor(place.Layout), job->SoftCap, logWeights, AttentionJob.ValueFactor(place.Layout), scratch->Lanes, scratch->TileRecords + (i * size));
        }

        if (kept != null)
            Keep(job, item, scratch, place, kept, low, high);
        if (half)
            Weigh(job, scratch, place, following, low, high);
        else
            WeighCodes(job, scratch, place, low, high);
        scratch->Logits = usual;
    }

    // Keys of codes: page by page, because a page holds no whole number of registers.
    private static void CodeLogits(AttentionJob* job, WorkerScratch* scratch, in SegmentPlace place, int* following, int low, int high)
    {
        PageView view = job->Pages;
        PageLayout* layout = place.Layout;
        int slots = layout->Slots, headDim = job->HeadDim, begin = low / slots * slots, end = begin;
        for (int index = low / slots; end < high; index++, end += slots)
        {
            byte* page = view.Page(place.Page(index));
            byte* ahead = view.Page(end + slots < high ? place.Page(index + 1) : following[0]);
            int used = Math.Min(slots, high - end);
            for (int first = 0; first < job->Group;)
            {
                int stop = TileEnd(job->Group, first);
                float* logits = scratch->Logits + (first * AttentionSizes.LogitStride) + end;
                CodeTiles<TSimd, TVector>.Logits(stop - first, layout, page, used, scratch->Queries + (first * headDim), first == 0 ? ahead : page, view.PageBytes, logits);
                first = stop;
            }

            if (layout->HasScales)
                SegmentScales.Load<TSimd, TVector>(layout, page, end, scratch->Scales);
            if (view.HasLogWeights)
                Unsafe.CopyBlock(scratch->LogWeights + end, page + layout->LogWeights, (uint)(slots * sizeof(float)));
        }

        if (layout->HasScales)
            SegmentScales.Clear(begin, end, scratch->Scales);
    }

    private static void WeighCodes(AttentionJob* job, WorkerScratch* scratch, in SegmentPlace place, int low, int high)
    {
        PageLayout* layout = place.Layout;
        float* zeros = stackalloc float[LargestGroup];
        for (int i = 0; i < job->Group && layout->HasScales; i++)
            zeros[i] = SegmentScales.ScaleProbabilities<TSimd, TVector>(scratch->Logits + (i * AttentionSizes.LogitStride), low, high, scratch->Lanes, scratch->Scales);
        for (int kv = low; kv < high;)
        {
            int slot = kv % layout->Slots, count = Math.Min(layout->Slots - slot, high - kv);
            byte* values = job->Pages.Page(place.Page(kv / layout->Slots)) + layout->Values + (slot * layout->ValueBytes);
            for (int first = 0; first < job->Group;)
            {
                int end = TileEnd(job->Group, first);
                float* outputs = scratch->TileRecords + (first * job->RecordSize) + AttentionSizes.RecordHeader;
                CodeTiles<TSimd, TVector>.Weigh(end - first, layout, values, scratch->Logits + (first * AttentionSizes.LogitStride) + kv, count, outputs, job->RecordSize);
                first = end;
            }

            kv += count;
        }

        for (int i = 0; i < job->Group && layout->HasScales; i++)
            SegmentScales.AddZero<TSimd, TVector>(scratch->TileRecords + (i * job->RecordSize), zeros[i], job->HeadDim);
    }

    // Where a row's probabilities of a segment stay, [group][LogitStride], and behind them the largest logits, [group]; null where nothing is recorded.
    private static float* Kept(AttentionJob* job, AttentionItem* item, int segment, int row)
    {
        float* kept = job->KeptOf(item);
        return kept == null ? null : kept + (((((long)row * job->SegmentsOf(item)) + segment) * AttentionSizes.KeptStride) * job->Group);
    }

    // Notes what is not in its place yet, and fetches the scores: a page's lie far from the next page's, where no hardware looks ahead.
    private static void Keep(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, float* kept, int low, int high)
    {
        int start = low & ~(Run - 1), end = (high + Run - 1) & ~(Run - 1);
        for (int i = 0; i < job->Group; i++)
        {
            kept[(job->Group * AttentionSizes.LogitStride) + i] = scratch->TileRecords[i * job->RecordSize];
            float* probabilities = scratch->Logits + (i * AttentionSizes.LogitStride), target = kept + (i * AttentionSizes.LogitStride);
            if (probabilities != target)
                Unsafe.CopyBlock(target + start, probabilities + start, (uint)((end - start) * sizeof(float)));
        }

        for (int page = low / place.Layout->Slots; page * place.Layout->Slots < high; page++)
            DirectTiles<TSimd, TVector>.Fetch((byte*)job->Pages.Page(place.Page(page)) + place.Layout->Scores);
    }

    private static void Logits(AttentionJob* job, WorkerScratch* scratch, in SegmentPlace place, int low, int high)
    {
        PageView view = job->Pages;
        int slots = view.PageTokens, headDim = job->HeadDim, begin = low & ~(Run - 1);
        for (int kv = begin; kv < high; kv += 2 * Run)
        {
            // An odd last run is read twice; what the second reading gives lies beyond the visible KVs.
            int other = kv + Run < high ? kv + Run : kv, next = kv + (2 * Run);
            uint* keys = Keys(view, place.Pages, slots, kv), more = Keys(view, place.Pages, slots, other);
            byte* ahead = next < high ? (byte*)Keys(view, place.Pages, slots, next) : Values(view, place, low);
            byte* aheadToo = next + Run < high ? (byte*)Keys(view, place.Pages, slots, next + Run) : Values(view, place, Math.Min(low + Run, high - 1));
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
            Unsafe.CopyBlock(scratch->LogWeights + kv, view.Page(place.Pages[kv / slots]) + place.Layout->LogWeights, (uint)(slots * sizeof(float)));
    }

    private static void Weigh(AttentionJob* job, WorkerScratch* scratch, in SegmentPlace place, int* following, int low, int high)
    {
        PageView view = job->Pages;
        int slots = view.PageTokens, headDim = job->HeadDim;
        for (int kv = low; kv < high;)
        {
            int slot = kv % slots, count = Math.Min(slots - slot, high - kv);
            byte* ahead = kv + count < high ? Values(view, place, kv + count) : view.Page(following[0]);
            ushort* values = (ushort*)Values(view, place, kv) + (slot * headDim);
            for (int first = 0; first < job->Group;)
            {
                int end = TileEnd(job->Group, first);
                float* probabilities = scratch->Logits + (first * AttentionSizes.LogitStride) + kv;
                float* outputs = scratch->TileRecords + (first * job->RecordSize) + AttentionSizes.RecordHeader;
                DirectTiles<TSimd, TVector>.Weigh(end - first, probabilities, count, values, headDim, ahead, outputs, job->RecordSize);
                first = end;
            }

            kv += count;
        }
    }

    // First pair of a run of 16 slots.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Keys(in PageView view, int* pages, int slots, int kv) => (uint*)view.Page(pages[kv / slots]) + (kv % slots);

    // Values of the page that holds a KV.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Values(in PageView view, in SegmentPlace place, int kv) => view.Page(place.Pages[kv / view.PageTokens]) + place.Layout->Values;
}
