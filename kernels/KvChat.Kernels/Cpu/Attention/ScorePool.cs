using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Scores of an observation window: the largest of neighbouring sums per query head, summed over the group.</summary>
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
        for (int start = 0; start < total; start += AttentionSizes.Segment)
        {
            Chunk(sums + start, item->SumStride, job->Group, reach, scratch->GroupSums);
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
    private static void Chunk(float* sums, int stride, int group, int reach, float* scores)
    {
        for (int i = 0; i < AttentionSizes.Segment; i += TSimd.Count)
        {
            TVector score = TSimd.Zero;
            for (int member = 0; member < group; member++)
            {
                float* row = sums + ((long)member * stride) + i;
                TVector largest = TSimd.Zero;
                for (int offset = -reach; offset <= reach; offset++)
                    largest = TSimd.Greater(TSimd.Load(row + offset), largest);
                score = TSimd.Add(score, largest);
            }

            TSimd.Store(scores + i, score);
        }
    }
}
