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
        int start = low & ~(Group - 1);
        float maximum = Largest(x, start, low, high, factor, softCap, logWeights, lanes);
        TVector subtrahend = TSimd.Create(maximum == float.NegativeInfinity ? 0 : maximum), scale = TSimd.Create(valueFactor);
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        for (int i = start; i < high; i += Group)
        {
            s0 = Exponentials(x + i, subtrahend, scale, s0);
            if (TSimd.Count < Group)
                s1 = Exponentials(x + i + TSimd.Count, subtrahend, scale, s1);
            if (TSimd.Count < Group / 2)
            {
                s2 = Exponentials(x + i + (2 * TSimd.Count), subtrahend, scale, s2);
                s3 = Exponentials(x + i + (3 * TSimd.Count), subtrahend, scale, s3);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Exponentials(float* x, TVector subtrahend, TVector scale, TVector sum)
    {
        TVector e = VectorMath<TSimd, TVector>.Exp(TSimd.Subtract(TSimd.Load(x), subtrahend));
        TSimd.Store(x, TSimd.Multiply(e, scale));
        return TSimd.Add(sum, e);
    }

    // Finishes the logits in place; those that are not visible become -infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(float* x, int start, int low, int high, float factor, float softCap, float* logWeights, float* lanes)
    {
        TVector scale = TSimd.Create(factor), largest = TSimd.Create(float.NegativeInfinity);
        for (int i = start; i < high; i += Group)
        {
            bool whole = i >= low && i + Group <= high;
            for (int j = i; j < i + Group; j += TSimd.Count)
            {
                TVector logit = TSimd.Multiply(TSimd.Load(x + j), scale);
                if (softCap != 0)
                    logit = VectorMath<TSimd, TVector>.Cap(logit, TSimd.Create(softCap));
                if (logWeights != null)
                    logit = TSimd.Add(logit, TSimd.Load(logWeights + j));
                if (!whole)
                    logit = TSimd.KeepRange(logit, j, low, high, float.NegativeInfinity);
                TSimd.Store(x + j, logit);
                largest = TSimd.Greater(logit, largest);
            }
        }

        TSimd.Store(lanes, largest);
        float maximum = lanes[0];
        for (int i = 1; i < TSimd.Count; i++)
            maximum = lanes[i] > maximum ? lanes[i] : maximum;
        return maximum;
    }
}
