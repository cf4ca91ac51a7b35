using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Attention of a block of rows: each segment is widened once, then read by all queries of the block, six at a time. Rows and the heads of
/// their group stand behind each other as queries, so that neighbours see nearly the same KVs.
/// </summary>
internal static unsafe class VectorAttention<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of an item: results, or partial records.</summary>
    public static void Attend(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        int* added = job->AddedOf(item);
        if (added == null && DirectAttention<TSimd, TVector>.Takes(job, item))
        {
            DirectAttention<TSimd, TVector>.Attend(job, item, scratch);
            return;
        }

        int queries = PrepareRows(job, item, scratch), size = job->RecordSize;
        for (int i = 0; i < queries && item->Partials == null; i++)
            SoftmaxRecord.Clear(scratch->Records + ((long)i * size), job->HeadDim);
        for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
        {
            SegmentPlace place = job->Place(item, segment);
            if (segment == item->FirstSegment || place.IsBoundary)
                PrepareQueries(job, item, scratch, place.Layout, queries);
            Load(job, item, scratch, place, scratch->Values);
            for (int first = 0; first < queries; first += AttentionSizes.Tile)
            {
                int count = Math.Min(AttentionSizes.Tile, queries - first);
                if (added == null)
                    AttendTile(job, item, scratch, place, segment, first, count);
                else
                    KeepTile(job, item, scratch, place, segment, first, count);
            }
        }

        if (item->Partials == null)
            Finish(job, item, scratch->Records);
        if (added != null)
            BlockScores<TSimd, TVector>.AddInTurn(job, item, scratch, added);
    }

    /// <summary>Merges the records of a block's segments, in their order, into results.</summary>
    public static void MergePartials(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        float* record = item->Partials;
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            for (int member = 0; member < job->Group; member++)
            {
                SoftmaxRecord.Clear(scratch->Records, job->HeadDim);
                for (int i = 0; i < item->PartialSegments; i++, record += job->RecordSize)
                {
                    job->Cross(item, job->Place(item, item->PartialFirst + i), scratch->Records);
                    Merge(scratch->Records, record, job->HeadDim);
                }

                ScalarAttention.Finish(job, item, scratch->Records, row, member);
            }

            DirectAttention<TSimd, TVector>.Observe(job, item, scratch, row);
        }
    }

    /// <summary>Scores of an item's rows over its segments: sums over the window, or additions to the pages' scores.</summary>
    public static void Observe(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        // More rows than scratch has room for come one part after another: sums keep the order of the rows.
        AttentionItem part = *item;
        for (; part.FirstRow < item->EndRow; part.FirstRow += job->BlockRows)
        {
            part.EndRow = Math.Min(part.FirstRow + job->BlockRows, item->EndRow);
            int queries = PrepareRows(job, &part, scratch);
            for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
            {
                SegmentPlace place = job->Place(item, segment);
                if (segment == item->FirstSegment || place.IsBoundary)
                    PrepareQueries(job, &part, scratch, place.Layout, queries);
                Load(job, &part, scratch, place, null);
                for (int first = 0; first < queries; first += AttentionSizes.Tile)
                    ObserveTile(job, &part, scratch, place, first, Math.Min(AttentionSizes.Tile, queries - first));
            }
        }
    }

    /// <summary>Adds a segment to a record; see <see cref="SoftmaxRecord.Merge"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Merge(float* record, float* segment, int headDim)
    {
        if (!SoftmaxRecord.Rescale(record, segment, out float keep, out float add))
            return;
        float* a = record + AttentionSizes.RecordHeader, b = segment + AttentionSizes.RecordHeader;
        TVector k = TSimd.Create(keep), s = TSimd.Create(add);
        int i = 0;
        for (; i + TSimd.Count <= headDim; i += TSimd.Count)
            TSimd.Store(a + i, TSimd.Fma(TSimd.Load(a + i), k, TSimd.Multiply(TSimd.Load(b + i), s)));
        for (; i < headDim; i++)
            a[i] = MathF.FusedMultiplyAdd(a[i], keep, b[i] * add);
    }

    // First visible KVs of the rows; returns the number of queries.
    private static int PrepareRows(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        bool hasLow = job->HeadOf(item)->LowLength > 0;
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            scratch->Lows[row - item->FirstRow] = job->FirstVisible(item, row, isLow: false);
            scratch->LowEndLows[row - item->FirstRow] = hasLow ? job->FirstVisible(item, row, isLow: true) : 0;
        }

        return (item->EndRow - item->FirstRow) * job->Group;
    }

    // Scaled queries by tiles, coordinates outermost.
    private static void PrepareQueries(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, PageLayout* layout, int queries)
    {
        float** sources = stackalloc float*[AttentionSizes.Tile];
        for (int first = 0; first < queries; first += AttentionSizes.Tile)
        {
            // A tile that is not full repeats its last query.
            for (int i = 0; i < AttentionSizes.Tile; i++)
            {
                int query = Math.Min(first + i, queries - 1);
                sources[i] = job->QueryOf(item, item->FirstRow + (query / job->Group)) + (query % job->Group * job->HeadDim);
                if (!layout->HasScales)
                    continue;
                float* prepared = scratch->Prepared + (i * job->HeadDim);
                scratch->QuerySums[first + i] = job->PrepareQuery(layout, sources[i], prepared);
                sources[i] = prepared;
            }

            Interleave(sources, layout->HasScales ? 1 : job->QueryFactor(layout), job->HeadDim, scratch->Queries + ((long)first * job->HeadDim));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Interleave(float** sources, float factor, int headDim, float* target)
    {
        float* a = sources[0], b = sources[1], c = sources[2], d = sources[3], e = sources[4], f = sources[5];
        for (int i = 0; i < headDim; i++, target += AttentionSizes.Tile)
        {
            target[0] = a[i] * factor;
            target[1] = b[i] * factor;
            target[2] = c[i] * factor;
            target[3] = d[i] * factor;
            target[4] = e[i] * factor;
            target[5] = f[i] * factor;
        }
    }

    private static void Load(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, float* values)
    {
        // The first row sees the earliest KVs, the last one the latest.
        int first = (place.IsLow ? scratch->LowEndLows : scratch->Lows)[0];
        if (place.Range(item->EndRow - 1, first, out int from, out int to))
            SegmentLoader<TSimd, TVector>.Load(job, place, from, to, scratch, values);
    }

    // What a row sees of a segment, counted in the segment.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Range(AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int row, out int low, out int high) =>
        place.Range(row, (place.IsLow ? scratch->LowEndLows : scratch->Lows)[row - item->FirstRow], out low, out high);

    // Dot products of a tile over what any of its queries sees. False if that is nothing; common is what all see that see anything.
    private static bool TileLogits(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int first, int count, out int commonLow, out int commonHigh)
    {
        int low = AttentionSizes.Segment, high = 0;
        commonLow = 0;
        commonHigh = AttentionSizes.Segment;
        int lastRow = item->FirstRow + ((first + count - 1) / job->Group);
        for (int row = item->FirstRow + (first / job->Group); row <= lastRow; row++)
        {
            if (!Range(item, scratch, place, row, out int from, out int to))
                continue;
            low = Math.Min(low, from);
            high = Math.Max(high, to);
            commonLow = Math.Max(commonLow, from);
            commonHigh = Math.Min(commonHigh, to);
        }

        bool codes = place.Layout->HasScales;
        float* queries = scratch->Queries + ((long)first * job->HeadDim);
        for (int panel = low / AttentionSizes.Panel * AttentionSizes.Panel; panel < high; panel += AttentionSizes.Panel)
        {
            float* keys = scratch->Keys + (codes ? panel : (long)panel * job->HeadDim);
            AttentionTiles<TSimd, TVector>.Logits6(queries, keys, codes ? AttentionSizes.CodeStride : AttentionSizes.Panel, job->HeadDim, scratch->Logits + panel);
        }

        return low < high;
    }

    // Probabilities are made where they stay. Those of codes are changed by the scales of values, so that they are copied before.
    private static void KeepTile(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int segment, int first, int count)
    {
        float* usual = scratch->Logits;
        scratch->KeptTile = BlockScores<TSimd, TVector>.Tile(job, item, scratch, segment, first);
        if (!place.Layout->HasScales)
            scratch->Logits = scratch->KeptTile;
        AttendTile(job, item, scratch, place, segment, first, count);
        float* maxima = BlockScores<TSimd, TVector>.Maxima(job, item, scratch, segment) + first;
        for (int i = 0; i < count; i++)
            maxima[i] = scratch->TileRecords[i * job->RecordSize];
        scratch->Logits = usual;
        scratch->KeptTile = null;
    }

    private static void AttendTile(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int segment, int first, int count)
    {
        int size = job->RecordSize;
        float* records = scratch->TileRecords;
        for (int i = 0; i < count; i++)
            SoftmaxRecord.Clear(records + (i * size), job->HeadDim);
        if (TileLogits(job, item, scratch, place, first, count, out int commonLow, out int commonHigh))
            WeighTile(job, item, scratch, place, first, count, commonLow, commonHigh);
        for (int i = 0; i < count; i++)
        {
            if (item->Partials == null)
            {
                float* record = scratch->Records + ((long)(first + i) * size);
                job->Cross(item, place, record);
                Merge(record, records + (i * size), job->HeadDim);
            }
            else
            {
                Unsafe.CopyBlock(item->Partials + ((((long)(first + i) * item->PartialSegments) + segment - item->PartialFirst) * size), records + (i * size), (uint)(size * sizeof(float)));
            }
        }
    }

    private static void WeighTile(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int first, int count, int commonLow, int commonHigh)
    {
        int size = job->RecordSize;
        float* records = scratch->TileRecords;
        float valueFactor = AttentionJob.ValueFactor(place.Layout);
        bool shared = commonLow < commonHigh;
        float* zeros = stackalloc float[AttentionSizes.Tile];
        for (int i = 0; i < count; i++)
        {
            zeros[i] = 0;
            if (!Softmax(job, item, scratch, place, first + i, i, valueFactor, out int low, out int high))
                continue;
            if (place.Layout->HasScales)
            {
                float* probabilities = scratch->Logits + (i * AttentionSizes.LogitStride);
                if (scratch->KeptTile != null)
                    Unsafe.CopyBlock(scratch->KeptTile + (i * AttentionSizes.LogitStride), probabilities, AttentionSizes.LogitStride * sizeof(float));
                zeros[i] = SegmentScales.ScaleProbabilities<TSimd, TVector>(probabilities, low, high, scratch->Lanes, scratch->Scales);
            }

            // Additions run in the order of the KVs: first what others do not see because of the sliding window, ...
            Weigh(job, scratch, i, low, shared ? commonLow : high);
        }

        // ... then what all see, ...
        if (shared)
            AttentionTiles<TSimd, TVector>.Weigh6(scratch->Logits, scratch->Values, commonLow, commonHigh, job->HeadDim, records + AttentionSizes.RecordHeader, size);

        // ... then what rows before do not see, and the zeros of codes.
        for (int i = 0; i < count; i++)
        {
            if (!Range(item, scratch, place, item->FirstRow + ((first + i) / job->Group), out _, out int high))
                continue;
            if (shared)
                Weigh(job, scratch, i, commonHigh, high);
            if (place.Layout->HasScales)
                SegmentScales.AddZero<TSimd, TVector>(records + (i * size), zeros[i], job->HeadDim);
        }
    }

    private static bool Softmax(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int query, int index, float valueFactor, out int low, out int high)
    {
        if (!Range(item, scratch, place, item->FirstRow + (query / job->Group), out low, out high))
            return false;
        float* logWeights = job->Pages.HasLogWeights ? scratch->LogWeights : null;
        float* record = scratch->TileRecords + (index * job->RecordSize), logits = scratch->Logits + (index * AttentionSizes.LogitStride);
        if (place.Layout->HasScales)
            SegmentScales.FinishLogits<TSimd, TVector>(logits, low, high, scratch->QuerySums[query], scratch->Scales);
        SegmentSoftmax<TSimd, TVector>.Run(logits, low, high, AttentionJob.LogitFactor(place.Layout), job->SoftCap, logWeights, valueFactor, scratch->Lanes, record);
        return true;
    }

    private static void Weigh(AttentionJob* job, WorkerScratch* scratch, int place, int from, int to)
    {
        float* output = scratch->TileRecords + (place * job->RecordSize) + AttentionSizes.RecordHeader;
        AttentionTiles<TSimd, TVector>.Weigh1(scratch->Logits + (place * AttentionSizes.LogitStride), scratch->Values, from, to, job->HeadDim, output);
    }

    private static void Finish(AttentionJob* job, AttentionItem* item, float* records)
    {
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            for (int member = 0; member < job->Group; member++, records += job->RecordSize)
                ScalarAttention.Finish(job, item, records, row, member);
        }
    }

    private static void ObserveTile(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int first, int count)
    {
        SequenceSlice* slice = job->Sequences + item->Sequence;
        bool squared = slice->Squared, any = TileLogits(job, item, scratch, place, first, count, out _, out _);
        for (int i = 0; i < count; i++)
        {
            int row = item->FirstRow + ((first + i) / job->Group), member = (first + i) % job->Group;
            if (member == 0 && item->Sums == null)
                new Span<float>(scratch->GroupSums, AttentionSizes.Segment).Clear();
            if (any && Softmax(job, item, scratch, place, first + i, i, 1, out int low, out int high))
            {
                float weight = SoftmaxRecord.SegmentWeight(scratch->TileRecords[i * job->RecordSize], job->StatisticsOf(item, row) + (2 * member));
                if (item->Sums == null)
                    AddSquares(scratch->Logits + (i * AttentionSizes.LogitStride), low, high, 1, weight, squared, slice->Largest || slice->LargestOfGroup, scratch->GroupSums);
                else
                    AddToWindow(scratch->Logits + (i * AttentionSizes.LogitStride), low, high, place.Layout->SegmentKvs, weight, squared, slice->Largest, item->Sums + ((long)member * item->SumStride) + place.Sums);
            }

            if (member == job->Group - 1 && item->Sums == null && Range(item, scratch, place, row, out int from, out int to))
                ScalarAttention.AddScores(job, place, scratch->GroupSums, from, to, slice->Largest);
        }
    }

    // A segment that is no whole number of groups ends inside a group; its rest is the next segment's, which another worker may be adding to.
    private static void AddToWindow(float* p, int low, int high, int segmentKvs, float weight, bool squared, bool largest, float* sums)
    {
        int whole = segmentKvs & ~15;
        if (low < Math.Min(high, whole))
            AddSquares(p, low, Math.Min(high, whole), 1, weight, squared, largest, sums);
        for (int kv = Math.Max(low, whole); kv < high; kv++)
        {
            sums[kv] = ScalarAttention.Reduce(p[kv] * weight, sums[kv], squared, largest);
        }
    }

    /// <summary>Adds attention weights or their squares to the sums of the KVs low..high-1, or takes the larger of both; <paramref name="factor"/> undoes that of the values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddSquares(float* p, int low, int high, float factor, float weight, bool squared, bool largest, float* sums)
    {
        TVector f = TSimd.Create(factor), w = TSimd.Create(weight);

        // Groups are whole: outside low..high-1 the probabilities are 0.
        for (int i = low & ~15; i < high; i += TSimd.Count)
        {
            TVector attention = TSimd.Multiply(TSimd.Multiply(TSimd.Load(p + i), f), w), sum = TSimd.Load(sums + i);
            TSimd.Store(sums + i, largest ? TSimd.Greater(attention, sum) : squared ? TSimd.Fma(attention, attention, sum) : TSimd.Add(sum, attention));
        }
    }
}
