namespace KvChat.Kernels.Cpu.Attention;

/// <summary>The reference: attention one query and one KV at a time, in the order of additions that all kernels keep.</summary>
internal static unsafe class ScalarAttention
{
    private const int LaneCount = 16;

    /// <summary>Rows of an item: results, or partial records.</summary>
    public static void Attend(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        for (int row = item->FirstRow; row < item->EndRow; row++)
        {
            for (int member = 0; member < job->Group; member++)
            {
                int index = ((row - item->FirstRow) * job->Group) + member;
                SoftmaxRecord.Clear(scratch->Records, job->HeadDim);
                for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
                {
                    float* record = item->Partials == null ? scratch->TileRecords
                        : item->Partials + ((((long)index * item->PartialSegments) + segment - item->PartialFirst) * job->RecordSize);
                    SegmentPlace place = job->Place(item, segment);
                    AttendSegment(job, item, scratch, place, row, member, record);
                    if (item->Partials != null)
                        continue;
                    job->Cross(item, place, scratch->Records);
                    SoftmaxRecord.Merge(scratch->Records, record, job->HeadDim);
                }

                if (item->Partials == null)
                    Finish(job, item, scratch->Records, row, member);
            }
        }
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
                    SoftmaxRecord.Merge(scratch->Records, record, job->HeadDim);
                }

                Finish(job, item, scratch->Records, row, member);
            }
        }
    }

    /// <summary>Scores of an item's rows over its segments: sums over the window, or additions to the pages' scores.</summary>
    public static void Observe(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
        {
            SegmentPlace place = job->Place(item, segment);
            for (int row = item->FirstRow; row < item->EndRow; row++)
            {
                int first = job->FirstVisible(item, row, place.IsLow);
                if (!place.Range(row, first, out int from, out int to))
                    continue;
                new Span<float>(scratch->GroupSums, AttentionSizes.Segment).Clear();
                for (int member = 0; member < job->Group; member++)
                    ObserveSegment(job, item, scratch, place, row, from, to, member);
                if (item->Sums == null)
                    AddScores(job, place, scratch->GroupSums, from, to, job->Sequences[item->Sequence].Largest);
            }
        }
    }

    /// <summary>Adds a row's sums over its group to the scores of the KVs from..to-1 of a segment, or raises the scores to them.</summary>
    public static void AddScores(AttentionJob* job, in SegmentPlace place, float* sums, int from, int to, bool largest)
    {
        int slots = place.Layout->Slots;
        for (int kv = from; kv < to;)
        {
            float* scores = (float*)(job->Pages.Page(place.Page(kv / slots)) + place.Layout->Scores);
            for (int slot = kv % slots; slot < slots && kv < to; slot++, kv++)
                scores[slot] = !largest ? scores[slot] + sums[kv] : sums[kv] > scores[slot] ? sums[kv] : scores[slot];
        }
    }

    /// <summary>A sum with one more attention weight or its square, or the larger of the two.</summary>
    public static float Reduce(float attention, float sum, bool squared, bool largest) => largest
        ? (attention > sum ? attention : sum)
        : squared ? MathF.FusedMultiplyAdd(attention, attention, sum) : sum + attention;

    /// <summary>Result of a row and query head.</summary>
    public static void Finish(AttentionJob* job, AttentionItem* item, float* record, int row, int member)
    {
        float* statistics = job->Statistics == null ? null : job->StatisticsOf(item, row) + (2 * member);
        if (job->HighLayout(item)->RotatesValues)
            Hadamard.Undo(record + AttentionSizes.RecordHeader, job->HeadDim);
        SoftmaxRecord.Finish(record, job->OutputOf(item, row) + (member * job->HeadDim), job->HeadDim, statistics);

        // What a row records is its weights times the reciprocal sum of its softmax: a factor of the one is a factor of the other.
        if (statistics != null && job->RowWeights != null)
            statistics[1] *= job->RowWeights[job->Sequences[item->Sequence].FirstRow + row];
    }

    private static void AttendSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int row, int member, float* record)
    {
        SoftmaxRecord.Clear(record, job->HeadDim);
        if (!place.Range(row, job->FirstVisible(item, row, place.IsLow), out int from, out int to))
            return;
        Probabilities(job, item, scratch, place, row, member, from, to, record);
        PageLayout* layout = place.Layout;
        float* output = record + AttentionSizes.RecordHeader, lanes = scratch->Lanes;
        new Span<float>(lanes, LaneCount).Clear();
        for (int kv = from; kv < to; kv++)
        {
            byte* page = job->Pages.Page(place.Page(kv / layout->Slots));
            int slot = kv % layout->Slots;
            float probability = scratch->Logits[kv] * AttentionJob.ValueFactor(layout);
            if (layout->HasScales)
            {
                lanes[kv % LaneCount] = MathF.FusedMultiplyAdd(probability, SegmentScales.Read(layout, page, 3, slot), lanes[kv % LaneCount]);
                probability *= SegmentScales.Read(layout, page, 2, slot);
            }

            for (int i = 0; i < job->HeadDim; i++)
                output[i] = MathF.FusedMultiplyAdd(probability, KvCodec.ValueCode(layout, page, slot, i), output[i]);
        }

        if (!layout->HasScales)
            return;
        float zero = ScalarMath.SumLanes(lanes);
        for (int i = 0; i < job->HeadDim; i++)
            output[i] += zero;
    }

    private static void ObserveSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int row, int from, int to, int member)
    {
        float* record = scratch->TileRecords;
        Probabilities(job, item, scratch, place, row, member, from, to, record);
        float weight = SoftmaxRecord.SegmentWeight(record[0], job->StatisticsOf(item, row) + (2 * member));
        SequenceSlice* slice = job->Sequences + item->Sequence;
        bool squared = slice->Squared, largest = slice->Largest || (item->Sums == null && slice->LargestOfGroup);
        float* sums = item->Sums == null ? scratch->GroupSums : item->Sums + ((long)member * item->SumStride) + place.Sums;
        for (int kv = from; kv < to; kv++)
        {
            float attention = scratch->Logits[kv] * weight;
            sums[kv] = Reduce(attention, sums[kv], squared, largest);
        }
    }

    // Logits of the KVs from..to-1 of a segment, then exp(logit - maximum); record gets the maximum and the sum.
    private static void Probabilities(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in SegmentPlace place, int row, int member, int from, int to, float* record)
    {
        float sum = job->PrepareQuery(place.Layout, job->QueryOf(item, row) + (member * job->HeadDim), scratch->Queries), maximum = float.NegativeInfinity;
        for (int kv = from; kv < to; kv++)
        {
            float logit = Logit(job, place, scratch->Queries, sum, kv);
            scratch->Logits[kv] = logit;
            maximum = logit > maximum ? logit : maximum;
        }

        float subtrahend = maximum == float.NegativeInfinity ? 0 : maximum;
        float* lanes = scratch->Lanes;
        new Span<float>(lanes, LaneCount).Clear();
        for (int kv = from; kv < to; kv++)
        {
            ref float entry = ref scratch->Logits[kv];
            entry = ScalarMath.Exp(entry - subtrahend);
            lanes[kv % LaneCount] += entry;
        }

        record[0] = maximum;
        record[1] = ScalarMath.SumLanes(lanes);
    }

    private static float Logit(AttentionJob* job, in SegmentPlace place, float* query, float querySum, int kv)
    {
        PageLayout* layout = place.Layout;
        int slot = kv % layout->Slots;
        byte* page = job->Pages.Page(place.Page(kv / layout->Slots));
        float logit = 0;
        for (int i = 0; i < job->HeadDim; i++)
            logit = MathF.FusedMultiplyAdd(query[i], KvCodec.KeyCode(layout, page, slot, i, job->Pages.PageTokens), logit);
        if (layout->HasScales)
            logit = MathF.FusedMultiplyAdd(logit, SegmentScales.Read(layout, page, 0, slot), querySum * SegmentScales.Read(layout, page, 1, slot));
        else
            logit *= AttentionJob.LogitFactor(layout);
        if (job->SoftCap != 0)
            logit = ScalarMath.Cap(logit, job->SoftCap);
        return job->Pages.HasLogWeights ? logit + ((float*)(page + layout->LogWeights))[slot] : logit;
    }
}
