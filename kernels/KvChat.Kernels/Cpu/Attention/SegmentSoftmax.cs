using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Softmax of one query over one segment, in groups of 16 KVs whose sums run lane by lane.</summary>
internal static unsafe class SegmentSoftmax<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int Group = 16;

    /// <summary>
    /// Turns dot products of the KVs low..high-1 into <c>valueFactor * exp(logit - maximum)</c>, the rest of their groups into 0; maximum and sum
    /// (without the factor) go to <paramref name="record"/>.
    /// </summary>
    /// <param name="x">Dot products of the segment's KVs.</param>
    /// <param name="low">First visible KV, counted in the segment.</param>
    /// <param name="high">Behind the last visible KV; above <paramref name="low"/>.</param>
    /// <param name="factor">What dot products are multiplied with to be logits.</param>
    /// <param name="softCap">Cap, or 0.</param>
    /// <param name="logWeights">Added to the logits, or null.</param>
    /// <param name="valueFactor">What makes up for values widened by shifts.</param>
    /// <param name="lanes">16 numbers of scratch.</param>
    /// <param name="record">Where maximum and sum go.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* x, int low, int high, float factor, float softCap, float* logWeights, float valueFactor, float* lanes, float* record)
    {
        int start = low & ~(Group - 1), end = (high + Group - 1) & ~(Group - 1);
        if (softCap != 0 || logWeights != null)
        {
            FinishLogits(x, start, end, factor, softCap, logWeights);
            factor = 1;
        }

        // Only the first and the last group can hold KVs that are not visible.
        Mask(x, start, low, high);
        Mask(x, end - Group, low, high);
        float maximum = Largest(x + start, x + end) * factor;
        TVector subtrahend = TSimd.Create(maximum == float.NegativeInfinity ? 0 : -maximum), scale = TSimd.Create(factor), weight = TSimd.Create(valueFactor);
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        float* last = x + end;
        for (x += start; x < last; x += Group)
        {
            s0 = Exponentials(x, scale, subtrahend, weight, s0);
            if (TSimd.Count < Group)
                s1 = Exponentials(x + TSimd.Count, scale, subtrahend, weight, s1);
            if (TSimd.Count < Group / 2)
            {
                s2 = Exponentials(x + (2 * TSimd.Count), scale, subtrahend, weight, s2);
                s3 = Exponentials(x + (3 * TSimd.Count), scale, subtrahend, weight, s3);
            }
        }

        TSimd.Store(lanes, s0);
        if (TSimd.Count < Group)
            TSimd.Store(lanes + TSimd.Count, s1);
        if (TSimd.Count < Group / 2)
        {
            TSimd.Store(lanes + (2 * TSimd.Count), s2);
            TSimd.Store(lanes + (3 * TSimd.Count), s3);
        }

        record[0] = maximum;
        record[1] = ScalarMath.SumLanes(lanes);
    }

    // The factor is a power of two, so that the product is exact and the sum rounds as if they were apart.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Exponentials(float* x, TVector factor, TVector subtrahend, TVector weight, TVector sum)
    {
        TVector e = VectorMath<TSimd, TVector>.Exp(TSimd.Fma(TSimd.Load(x), factor, subtrahend));
        TSimd.Store(x, TSimd.Multiply(e, weight));
        return TSimd.Add(sum, e);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mask(float* x, int group, int low, int high)
    {
        if (group >= low && group + Group <= high)
            return;
        for (int i = group; i < group + Group; i += TSimd.Count)
            TSimd.Store(x + i, TSimd.KeepRange(TSimd.Load(x + i), i, low, high, float.NegativeInfinity));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(float* x, float* end)
    {
        TVector largest = TSimd.Create(float.NegativeInfinity);
        for (; x < end; x += TSimd.Count)
            largest = TSimd.Greater(TSimd.Load(x), largest);
        return TSimd.Largest(largest);
    }

    // Logits with cap or log-weights are written back, the others are made on the way to their exponentials.
    private static void FinishLogits(float* x, int start, int end, float factor, float softCap, float* logWeights)
    {
        TVector scale = TSimd.Create(factor), cap = TSimd.Create(softCap);
        for (int i = start; i < end; i += TSimd.Count)
        {
            TVector logit = TSimd.Multiply(TSimd.Load(x + i), scale);
            if (softCap != 0)
                logit = VectorMath<TSimd, TVector>.Cap(logit, cap);
            if (logWeights != null)
                logit = TSimd.Add(logit, TSimd.Load(logWeights + i));
            TSimd.Store(x + i, logit);
        }
    }
}
