using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Scores of an observation window: the largest of neighbouring sums per query head, summed over the group.</summary>
internal static unsafe class ScorePool<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Zeros that stand before each row of sums, and at least as many behind it, so that pooling needs no borders: sums are not negative.</summary>
    public static int Margin(int width) => ((width / 2) + 15) & ~15;

    /// <summary>Writes the scores of all KVs of the item's head.</summary>
    public static void Pool(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch)
    {
        SequenceSlice* slice = job->Sequences + item->Sequence;
        HeadView* head = job->HeadOf(item);
        int total = head->Length + slice->RowCount, slots = job->Pages.Slots(slice->Format);
        for (int start = 0; start < total; start += AttentionSizes.Segment)
        {
            Chunk(item->Sums + start, item->SumStride, job->Group, slice->PoolWidth / 2, scratch->GroupSums);
            for (int i = 0; i < AttentionSizes.Segment && start + i < total; i += slots)
            {
                int count = Math.Min(slots, total - start - i);
                Unsafe.CopyBlock(job->Pages.Scores(head->Pages[(start + i) / slots]), scratch->GroupSums + i, (uint)(count * sizeof(float)));
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
