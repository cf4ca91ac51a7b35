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
            int low = job->FirstVisible(item, row);
            for (int member = 0; member < job->Group; member++)
            {
                float* query = scratch->Queries;
                ScaleQuery(job, item, job->QueryOf(item, row) + (member * job->HeadDim), query);
                int index = ((row - item->FirstRow) * job->Group) + member;
                SoftmaxRecord.Clear(scratch->Records, job->HeadDim);
                for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
                {
                    float* record = item->Partials == null ? scratch->TileRecords
                        : item->Partials + ((((long)index * item->PartialSegments) + segment - item->PartialFirst) * job->RecordSize);
                    AttendSegment(job, item, scratch, row, low, segment, record);
                    if (item->Partials == null)
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
                    SoftmaxRecord.Merge(scratch->Records, record, job->HeadDim);
                Finish(job, item, scratch->Records, row, member);
            }
        }
    }

    /// <summary>Scores of an item's rows over its segments: sums over the window, or additions to the pages' scores.</summary>
    public static void Observe(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
        {
            for (int row = item->FirstRow; row < item->EndRow; row++)
            {
                int low = job->FirstVisible(item, row);
                new Span<float>(scratch->GroupSums, AttentionSizes.Segment).Clear();
                for (int member = 0; member < job->Group; member++)
                {
                    ScaleQuery(job, item, job->QueryOf(item, row) + (member * job->HeadDim), scratch->Queries);
                    ObserveSegment(job, item, scratch, row, low, segment, member);
                }

                if (item->Sums == null)
                    AddScores(job, item, scratch->GroupSums, row, low, segment);
            }
        }
    }

    /// <summary>Adds a row's sums over its group to the scores of the KVs that it sees in a segment.</summary>
    public static void AddScores(AttentionJob* job, AttentionItem* item, float* sums, int row, int low, int segment)
    {
        Range(job, item, row, low, segment, out int from, out int to);
        HeadView* head = job->HeadOf(item);
        int slots = job->Pages.Slots(job->Sequences[item->Sequence].Format);
        for (int kv = from; kv < to; kv++)
            job->Pages.Scores(head->Pages[kv / slots])[kv % slots] += sums[kv % AttentionSizes.Segment];
    }

    /// <summary>Result of a row and query head.</summary>
    public static void Finish(AttentionJob* job, AttentionItem* item, float* record, int row, int member)
    {
        float* statistics = job->Statistics == null ? null : job->StatisticsOf(item, row) + (2 * member);
        SoftmaxRecord.Finish(record, job->OutputOf(item, row) + (member * job->HeadDim), job->HeadDim, statistics);
    }

    private static void Range(AttentionJob* job, AttentionItem* item, int row, int low, int segment, out int from, out int to)
    {
        from = Math.Max(low, segment * AttentionSizes.Segment);
        to = Math.Min(job->HeadOf(item)->Length + row + 1, (segment + 1) * AttentionSizes.Segment);
    }

    private static void ScaleQuery(AttentionJob* job, AttentionItem* item, float* source, float* query)
    {
        float factor = job->QueryFactor(item);
        for (int i = 0; i < job->HeadDim; i++)
            query[i] = source[i] * factor;
    }

    private static void AttendSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int row, int low, int segment, float* record)
    {
        SoftmaxRecord.Clear(record, job->HeadDim);
        Range(job, item, row, low, segment, out int from, out int to);
        if (from >= to)
            return;
        Probabilities(job, item, scratch, from, to, record);
        KvFormat format = job->Sequences[item->Sequence].Format;
        HeadView* head = job->HeadOf(item);
        int slots = job->Pages.Slots(format);
        float* output = record + AttentionSizes.RecordHeader;
        for (int kv = from; kv < to; kv++)
        {
            byte* values = job->Pages.Values(head->Pages[kv / slots]);
            int start = kv % slots * job->HeadDim;
            float probability = scratch->Logits[kv % AttentionSizes.Segment];
            if (format != KvFormat.F32)
                probability *= HalfBits.WideningFactor;
            for (int i = 0; i < job->HeadDim; i++)
            {
                float value = format == KvFormat.F32 ? ((float*)values)[start + i] : HalfBits.WidenScaled(((ushort*)values)[start + i]);
                output[i] = MathF.FusedMultiplyAdd(probability, value, output[i]);
            }
        }
    }

    private static void ObserveSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int row, int low, int segment, int member)
    {
        Range(job, item, row, low, segment, out int from, out int to);
        if (from >= to)
            return;
        float* record = scratch->TileRecords;
        Probabilities(job, item, scratch, from, to, record);
        float weight = SoftmaxRecord.SegmentWeight(record[0], job->StatisticsOf(item, row) + (2 * member));
        bool squared = job->Sequences[item->Sequence].Squared;
        float* sums = item->Sums == null ? scratch->GroupSums : item->Sums + ((long)member * item->SumStride) + (segment * AttentionSizes.Segment);
        for (int kv = from; kv < to; kv++)
        {
            int slot = kv % AttentionSizes.Segment;
            float attention = scratch->Logits[slot] * weight;
            sums[slot] = squared ? MathF.FusedMultiplyAdd(attention, attention, sums[slot]) : sums[slot] + attention;
        }
    }

    // Logits of the KVs from..to-1 of a segment, then exp(logit - maximum); record gets the maximum and the sum.
    private static void Probabilities(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int from, int to, float* record)
    {
        float maximum = float.NegativeInfinity;
        for (int kv = from; kv < to; kv++)
        {
            float logit = Logit(job, item, scratch->Queries, kv);
            scratch->Logits[kv % AttentionSizes.Segment] = logit;
            maximum = logit > maximum ? logit : maximum;
        }

        float subtrahend = maximum == float.NegativeInfinity ? 0 : maximum;
        float* lanes = scratch->Lanes;
        new Span<float>(lanes, LaneCount).Clear();
        for (int kv = from; kv < to; kv++)
        {
            ref float entry = ref scratch->Logits[kv % AttentionSizes.Segment];
            entry = ScalarMath.Exp(entry - subtrahend);
            lanes[kv % LaneCount] += entry;
        }

        record[0] = maximum;
        record[1] = ScalarMath.SumLanes(lanes);
    }

    private static float Logit(AttentionJob* job, AttentionItem* item, float* query, int kv)
    {
        KvFormat format = job->Sequences[item->Sequence].Format;
        int slots = job->Pages.Slots(format), slot = kv % slots;
        int page = job->HeadOf(item)->Pages[kv / slots];
        byte* keys = job->Pages.Keys(page);
        float logit = 0;
        for (int i = 0; i < job->HeadDim; i++)
        {
            float key = format == KvFormat.F32 ? ((float*)keys)[(i * slots) + slot] : HalfBits.WidenScaled(((ushort*)keys)[job->Pages.HalfKeyIndex(slot, i)]);
            logit = MathF.FusedMultiplyAdd(query[i], key, logit);
        }

        if (format != KvFormat.F32)
            logit *= HalfBits.HalfFactor;
        if (job->SoftCap != 0)
            logit = ScalarMath.Cap(logit, job->SoftCap);
        return job->Pages.HasLogWeights ? logit + job->Pages.LogWeights(page)[slot] : logit;
    }
}
