using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Scales and zeros of a segment of codes. A code c stands for <c>scale * c + zero</c>, so that a dot product with a query q is
/// <c>scale * (q . codes) + zero * sum(q)</c>, and a weighted sum of values <c>sum(p * scale * codes) + sum(p * zero)</c>: codes are never multiplied out.
/// </summary>
internal static unsafe class SegmentScales
{
    /// <summary>One scale or zero as all kernels read it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(PageLayout* layout, byte* page, int array, int slot) =>
        HalfBits.WidenScaled(KvCodec.Scales(layout, page, array)[slot]) * HalfBits.WideningFactor;

    /// <summary>Widens what belongs to a page whose KVs stand from <paramref name="first"/> on in the segment.</summary>
    public static void Load<TSimd, TVector>(PageLayout* layout, byte* page, int first, float* scales)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int slots = layout->Slots;
        TVector factor = TSimd.Create(HalfBits.WideningFactor);
        ushort* source = KvCodec.Scales(layout, page, 0);
        for (int array = 0; array < 4; array++, source += slots)
        {
            // What a register holds beyond the page's slots is written over by the next page, or stands beyond the segment.
            float* target = scales + (array * AttentionSizes.ScaleStride) + first;
            for (int slot = 0; slot < slots; slot += TSimd.Count)
                TSimd.Store(target + slot, TSimd.Multiply(TSimd.Widen(source + slot), factor));
        }
    }

    /// <summary>Makes the numbers around those that were loaded harmless: kernels work on whole groups of 16.</summary>
    public static void Clear(int from, int to, float* scales)
    {
        int start = from & ~15, end = (to + 15) & ~15;
        for (int array = 0; array < 4; array++, scales += AttentionSizes.ScaleStride)
        {
            new Span<float>(scales + start, from - start).Clear();
            new Span<float>(scales + to, end - to).Clear();
        }
    }

    /// <summary>Turns dot products with codes into dot products with keys.</summary>
    public static void FinishLogits<TSimd, TVector>(float* x, int low, int high, float querySum, float* scales)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector sum = TSimd.Create(querySum);
        for (int i = low & ~15; i < high; i += TSimd.Count)
            TSimd.Store(x + i, TSimd.Fma(TSimd.Load(x + i), TSimd.Load(scales + i), TSimd.Multiply(sum, TSimd.Load(scales + AttentionSizes.ScaleStride + i))));
    }

    /// <summary>Multiplies probabilities with the scales of their values; returns what their zeros add to every coordinate, summed in 16 lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ScaleProbabilities<TSimd, TVector>(float* p, int low, int high, float* lanes, float* scales)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* zeros = scales + (3 * AttentionSizes.ScaleStride);
        scales += 2 * AttentionSizes.ScaleStride;
        new Span<float>(lanes, 16).Clear();
        int end = (high + 15) & ~15;
        for (int lane = 0; lane < 16; lane += TSimd.Count)
        {
            TVector sum = TSimd.Zero;
            for (int i = (low & ~15) + lane; i < end; i += 16)
            {
                TVector probability = TSimd.Load(p + i);
                sum = TSimd.Fma(probability, TSimd.Load(zeros + i), sum);
                TSimd.Store(p + i, TSimd.Multiply(probability, TSimd.Load(scales + i)));
            }

            TSimd.Store(lanes + lane, sum);
        }

        return ScalarMath.SumLanes(lanes);
    }

    /// <summary>Adds a number to every coordinate of a record.</summary>
    public static void AddZero<TSimd, TVector>(float* record, float zero, int headDim)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* output = record + AttentionSizes.RecordHeader;
        TVector add = TSimd.Create(zero);
        int i = 0;
        for (; i + TSimd.Count <= headDim; i += TSimd.Count)
            TSimd.Store(output + i, TSimd.Add(TSimd.Load(output + i), add));
        for (; i < headDim; i++)
            output[i] += zero;
    }
}
