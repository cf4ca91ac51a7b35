using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Adds the rows of a block to the scores of its head's pages, from the probabilities that attending has left: keys are not read twice. Probabilities are of their segments; only when the block's
/// results are finished are the maximum and the sum known that make them those of whole rows.
/// </summary>
internal static unsafe class BlockScores<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int Group = 16;

    /// <summary>Where the probabilities of a tile stay, <c>[Tile][LogitStride]</c>.</summary>
    /// <param name="job">The operation.</param>
    /// <param name="item">The block.</param>
    /// <param name="scratch">The worker's memory.</param>
    /// <param name="segment">The segment.</param>
    /// <param name="query">First query of the tile.</param>
    public static float* Tile(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int segment, int query) =>
        scratch->Block + ((((long)(segment - item->FirstSegment) * Queries(job, item)) + query) * AttentionSizes.LogitStride);

    /// <summary>Where the largest logits of a segment stay, one for each query.</summary>
    /// <param name="job">The operation.</param>
    /// <param name="item">The block.</param>
    /// <param name="scratch">The worker's memory.</param>
    /// <param name="segment">The segment.</param>
    public static float* Maxima(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int segment)
    {
        long queries = Queries(job, item);
        return scratch->Block + ((item->EndSegment - item->FirstSegment) * queries * AttentionSizes.LogitStride) + ((segment - item->FirstSegment) * queries);
    }

    /// <summary>Numbers that a block leaves.</summary>
    /// <param name="queries">Its queries.</param>
    /// <param name="segments">Segments that it reads.</param>
    public static long Size(int queries, int segments) => (long)WholeTiles(queries) * segments * (AttentionSizes.LogitStride + 1);

    /// <summary>
    /// Adds a block once those with earlier rows of its head are added: sums keep the order of the rows, whoever computes them. Blocks of a head are handed out in that order, so that the one that is waited
    /// for is under way, and waits for none that comes later.
    /// </summary>
    /// <param name="job">The operation.</param>
    /// <param name="item">The block, finished.</param>
    /// <param name="scratch">The worker's memory.</param>
    /// <param name="added">Where the head's first row is noted that is not added.</param>
    public static void AddInTurn(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int* added)
    {
        SpinWait spin = default;
        while (Volatile.Read(ref *added) != item->FirstRow)
            spin.SpinOnce();
        long start = Stopwatch.GetTimestamp();
        for (int segment = item->FirstSegment; segment < item->EndSegment; segment++)
            AddSegment(job, item, scratch, segment);
        scratch->ScoringTicks += Stopwatch.GetTimestamp() - start;
        Volatile.Write(ref *added, item->EndRow);
    }

    private static void AddSegment(AttentionJob* job, AttentionItem* item, WorkerScratch* scratch, int segment)
    {
        SegmentPlace place = job->Place(item, segment);
        int rows = item->EndRow - item->FirstRow, queries = rows * job->Group;
        int* lows = stackalloc int[rows], highs = stackalloc int[rows];
        float* weights = stackalloc float[queries], maxima = Maxima(job, item, scratch, segment), sums = scratch->GroupSums;
        int low = AttentionSizes.Segment, high = 0;
        for (int row = 0; row < rows; row++)
        {
            if (place.Range(item->FirstRow + row, (place.IsLow ? scratch->LowEndLows : scratch->Lows)[row], out lows[row], out highs[row]))
            {
                low = Math.Min(low, lows[row]);
                high = Math.Max(high, highs[row]);
            }

            for (int i = row * job->Group; i < (row + 1) * job->Group; i++)
                weights[i] = SoftmaxRecord.SegmentWeight(maxima[i], job->StatisticsOf(item, item->FirstRow + row) + (2 * (i - (row * job->Group))));
        }

        if (low >= high)
            return;
        new Span<float>(sums, AttentionSizes.Segment).Clear();
        Copy(job, place, low, high, sums, isStore: false);
        SequenceSlice* slice = job->Sequences + item->Sequence;
        float* probabilities = Tile(job, item, scratch, segment, 0);
        float factor = 1 / AttentionJob.ValueFactor(place.Layout);
        if (slice->Largest)
            AddRows<LargestWeight<TSimd, TVector>>(probabilities, weights, lows, highs, rows, job->Group, factor, low, high, sums);
        else if (slice->LargestOfGroup)
            AddRows<SumOfLargest<TSimd, TVector>>(probabilities, weights, lows, highs, rows, job->Group, factor, low, high, sums);
        else if (slice->Squared)
            AddRows<SumOfSquares<TSimd, TVector>>(probabilities, weights, lows, highs, rows, job->Group, factor, low, high, sums);
        else
            AddRows<SumOfWeights<TSimd, TVector>>(probabilities, weights, lows, highs, rows, job->Group, factor, low, high, sums);
        Copy(job, place, low, high, sums, isStore: true);
    }

    // Every KV's own sum, row after row. Both bounds of what rows see grow, so that those that see something of a group of 16 are a run of rows; what one of them does not see of it has the probability 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRows<TReduction>(
        float* probabilities, float* weights, int* lows, int* highs, int rows, int group, float valueFactor, int low, int high, float* sums)
        where TReduction : struct, IScoreReduction<TVector>
    {
        TVector factor = TSimd.Create(valueFactor);
        int firstRow = 0, endRow = 0;
        for (int kv = low & ~(Group - 1); kv < high; kv += TSimd.Count)
        {
            int start = kv & ~(Group - 1);
            while (firstRow < rows && highs[firstRow] <= start)
                firstRow++;
            while (endRow < rows && lows[endRow] < Math.Min(start + Group, high))
                endRow++;
            TVector score = TSimd.Load(sums + kv);
            float* weight = weights + (firstRow * group), p = probabilities + ((long)firstRow * group * AttentionSizes.LogitStride) + kv;
            for (int row = firstRow; row < endRow; row++)
            {
                TVector sum = TSimd.Zero;
                for (int i = 0; i < group; i++, weight++, p += AttentionSizes.LogitStride)
                {
                    TVector attention = TSimd.Multiply(TSimd.Multiply(TSimd.Load(p), factor), TSimd.Create(*weight));
                    sum = TReduction.OverGroup(attention, sum);
                }

                score = TReduction.OverRows(sum, score);
            }

            TSimd.Store(sums + kv, score);
        }
    }

    // Scores of the KVs from..to-1 from their pages, or back to them.
    private static void Copy(AttentionJob* job, in SegmentPlace place, int from, int to, float* sums, bool isStore)
    {
        int slots = place.Layout->Slots;
        for (int kv = from; kv < to;)
        {
            int slot = kv % slots, count = Math.Min(slots - slot, to - kv);
            float* scores = (float*)(job->Pages.Page(place.Page(kv / slots)) + place.Layout->Scores) + slot;
            Unsafe.CopyBlock(isStore ? scores : sums + kv, isStore ? sums + kv : scores, (uint)(count * sizeof(float)));
            kv += count;
        }
    }

    private static int Queries(AttentionJob* job, AttentionItem* item) => WholeTiles((item->EndRow - item->FirstRow) * job->Group);

    private static int WholeTiles(int queries) => (queries + AttentionSizes.Tile - 1) / AttentionSizes.Tile * AttentionSizes.Tile;
}
