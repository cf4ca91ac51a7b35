using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Scores of an observation window: the largest, or the mean, of neighbouring sums per query head, then the sum or the largest over the group.</summary>
internal static unsafe class ScorePool<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Zeros that stand before each row of sums, and at least as many behind it, so that pooling needs no borders: sums are not negative.</summary>
    public static int Margin(int width) => ((width / 2) + 15) & ~15;

    /// <summary>Writes the scores of all KVs of the item's head; neighbours are those of the same end of its table.</summary>
    public static void Pool(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        HeadView* head = job->HeadOf(item);
        if (head->LowLength > 0)
            Pool(job, item, scratch, head->LowEnd, job->LowLayout(item), head->LowLength, item->Sums);
        Pool(job, item, scratch, *head, job->HighLayout(item), head->Length + job->Sequences[item->Sequence].RowCount, item->Sums + job->LowSumLength(item));
    }

    private static void Pool(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, in HeadView end, PageLayout* layout, int total, float* sums)
    {
        int slots = layout->Slots, reach = job->Sequences[item->Sequence].PoolWidth / 2;
        bool average = job->Sequences[item->Sequence].AveragePool, largest = job->Sequences[item->Sequence].Largest || job->Sequences[item->Sequence].LargestOfGroup;
        for (int start = 0; start < total; start += AttentionSizes.Segment)
        {
            Chunk(sums + start, item->SumStride, job->Group, reach, average, largest, scratch->GroupSums);
            int stop = Math.Min(total, start + AttentionSizes.Segment);
            for (int kv = start; kv < stop;)
            {
                int slot = kv % slots, count = Math.Min(slots - slot, stop - kv);
                float* scores = (float*)(job->Pages.Page(end.Page(kv / slots)) + layout->Scores) + slot;
                Unsafe.CopyBlock(scores, scratch->GroupSums + kv - start, (uint)(count * sizeof(float)));
                kv += count;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Chunk(float* sums, int stride, int group, int reach, bool average, bool groupLargest, float* scores)
    {
        TVector part = TSimd.Create(1f / ((2 * reach) + 1));
        for (int i = 0; i < AttentionSizes.Segment; i += TSimd.Count)
        {
            TVector score = TSimd.Zero;
            for (int member = 0; member < group; member++)
            {
                float* row = sums + ((long)member * stride) + i;
                TVector pooled = TSimd.Zero;
                for (int offset = -reach; offset <= reach; offset++)
                    pooled = average ? TSimd.Add(TSimd.Load(row + offset), pooled) : TSimd.Greater(TSimd.Load(row + offset), pooled);
                if (average)
                    pooled = TSimd.Multiply(pooled, part);
                score = groupLargest ? TSimd.Greater(pooled, score) : TSimd.Add(score, pooled);
            }

            TSimd.Store(scores + i, score);
        }
    }
}
