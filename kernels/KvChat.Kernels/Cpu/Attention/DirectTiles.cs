using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Tiles of one to four queries that widen halves in registers as they come from the pages: for decoding, where a page is read once and no
/// widened copy pays. Each sum is the same chain as in <see cref="AttentionTiles{TSimd, TVector}"/>. While they work, kernels ask for the lines
/// that come next: pages lie scattered, and the processor does not guess across them.
/// </summary>
internal static unsafe class DirectTiles<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int Line = 64;

    /// <summary>Queries of the largest tile: 16 registers of AVX2 hold 3 by 4 sums, the 32 of AVX-512 more.</summary>
    public static int LargestTile => TSimd.Count == 16 ? 4 : 3;

    /// <summary>Coordinates must be a multiple of this.</summary>
    public static int DimensionStep => 4 * TSimd.Count;

    /// <summary>
    /// Logits of 32 KVs, 16 in each of two runs of slots, for <paramref name="count"/> queries <c>[headDim][count]</c>. Runs start at a pair of halves
    /// of the first slot; the next pair of coordinates is <paramref name="stride"/> pairs on.
    /// </summary>
    public static void Logits(int count, float* queries, int headDim, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits)
    {
        float* end = queries + (headDim * count);
        if (TSimd.Count == 16)
        {
            Logits(count, queries, end, first, second, stride, ahead, aheadToo, logits, 16);
            return;
        }

        for (int run = 0; run < 2; run++, first = second, ahead = aheadToo, logits += 16)
        {
            for (int slot = 0; slot < 16; slot += 2 * TSimd.Count)
                Logits(count, queries, end, first + slot, first + slot + TSimd.Count, stride, ahead, ahead, logits + slot, TSimd.Count);
        }
    }

    /// <summary>Adds <c>probability * value</c> of <paramref name="kvs"/> KVs that follow each other in a page to the outputs of <paramref name="count"/> queries.</summary>
    public static void Weigh(int count, float* probabilities, int kvs, ushort* values, int headDim, byte* ahead, float* outputs, int distance)
    {
        int step = (count == 4 ? 2 : 4) * TSimd.Count;
        for (int dim = 0; dim < headDim; dim += step)
        {
            float* p = probabilities, o = outputs + dim;
            ushort* v = values + dim;
            byte* next = ahead + (dim * sizeof(ushort));
            switch (count)
            {
                case 1:
                    Weigh1(p, kvs, v, headDim, next, o, distance);
                    break;
                case 2:
                    Weigh2(p, kvs, v, headDim, next, o, distance);
                    break;
                case 3:
                    Weigh3(p, kvs, v, headDim, next, o, distance);
                    break;
                default:
                    Weigh4(p, kvs, v, headDim, next, o, distance);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Logits(int count, float* queries, float* end, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits, int distance)
    {
        switch (count)
        {
            case 1:
                Logits1(queries, end, first, second, stride, ahead, aheadToo, logits, distance);
                break;
            case 2:
                Logits2(queries, end, first, second, stride, ahead, aheadToo, logits, distance);
                break;
            case 3:
                Logits3(queries, end, first, second, stride, ahead, aheadToo, logits, distance);
                break;
            default:
                Logits4(queries, end, first, second, stride, ahead, aheadToo, logits, distance);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits1(float* queries, float* end, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits, int distance)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero;
        for (; queries < end; queries += 2, first += stride, second += stride, ahead += Line, aheadToo += Line)
        {
            Fetch(ahead);
            Fetch(aheadToo);
            TVector k0 = TSimd.WidenLower(first), k1 = TSimd.WidenLower(second);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            k0 = TSimd.WidenUpper(first);
            k1 = TSimd.WidenUpper(second);
            q = TSimd.Create(queries[1]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
        }

        Store2(logits, distance, a0, a1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits2(float* queries, float* end, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits, int distance)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero;
        for (; queries < end; queries += 2 * 2, first += stride, second += stride, ahead += Line, aheadToo += Line)
        {
            Fetch(ahead);
            Fetch(aheadToo);
            TVector k0 = TSimd.WidenLower(first), k1 = TSimd.WidenLower(second);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[1]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            k0 = TSimd.WidenUpper(first);
            k1 = TSimd.WidenUpper(second);
            q = TSimd.Create(queries[2]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[3]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
        }

        Store2(logits, distance, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, distance, b0, b1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits3(float* queries, float* end, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits, int distance)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, c0 = TSimd.Zero, c1 = TSimd.Zero;
        for (; queries < end; queries += 2 * 3, first += stride, second += stride, ahead += Line, aheadToo += Line)
        {
            Fetch(ahead);
            Fetch(aheadToo);
            TVector k0 = TSimd.WidenLower(first), k1 = TSimd.WidenLower(second);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[1]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            q = TSimd.Create(queries[2]);
            c0 = TSimd.Fma(q, k0, c0);
            c1 = TSimd.Fma(q, k1, c1);
            k0 = TSimd.WidenUpper(first);
            k1 = TSimd.WidenUpper(second);
            q = TSimd.Create(queries[3]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[4]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            q = TSimd.Create(queries[5]);
            c0 = TSimd.Fma(q, k0, c0);
            c1 = TSimd.Fma(q, k1, c1);
        }

        Store2(logits, distance, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, distance, b0, b1);
        Store2(logits + (2 * AttentionSizes.LogitStride), distance, c0, c1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits4(float* queries, float* end, uint* first, uint* second, int stride, byte* ahead, byte* aheadToo, float* logits, int distance)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, c0 = TSimd.Zero, c1 = TSimd.Zero, d0 = TSimd.Zero, d1 = TSimd.Zero;
        for (; queries < end; queries += 2 * 4, first += stride, second += stride, ahead += Line, aheadToo += Line)
        {
            Fetch(ahead);
            Fetch(aheadToo);
            TVector k0 = TSimd.WidenLower(first), k1 = TSimd.WidenLower(second);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[1]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            q = TSimd.Create(queries[2]);
            c0 = TSimd.Fma(q, k0, c0);
            c1 = TSimd.Fma(q, k1, c1);
            q = TSimd.Create(queries[3]);
            d0 = TSimd.Fma(q, k0, d0);
            d1 = TSimd.Fma(q, k1, d1);
            k0 = TSimd.WidenUpper(first);
            k1 = TSimd.WidenUpper(second);
            q = TSimd.Create(queries[4]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[5]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            q = TSimd.Create(queries[6]);
            c0 = TSimd.Fma(q, k0, c0);
            c1 = TSimd.Fma(q, k1, c1);
            q = TSimd.Create(queries[7]);
            d0 = TSimd.Fma(q, k0, d0);
            d1 = TSimd.Fma(q, k1, d1);
        }

        Store2(logits, distance, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, distance, b0, b1);
        Store2(logits + (2 * AttentionSizes.LogitStride), distance, c0, c1);
        Store2(logits + (3 * AttentionSizes.LogitStride), distance, d0, d1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh1(float* p, int count, ushort* values, int stride, byte* ahead, float* o, int distance)
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TSimd.Count), a2 = TSimd.Load(o + (2 * TSimd.Count)), a3 = TSimd.Load(o + (3 * TSimd.Count));
        for (float* end = p + count; p < end; p++, values += stride, ahead += stride * sizeof(ushort))
        {
            for (int i = 0; i < 4 * TSimd.Count * sizeof(ushort); i += Line)
                Fetch(ahead + i);
            TVector w0 = TSimd.Create(p[0]);
            TVector x = TSimd.Widen(values);
            a0 = TSimd.Fma(w0, x, a0);
            x = TSimd.Widen(values + TSimd.Count);
            a1 = TSimd.Fma(w0, x, a1);
            x = TSimd.Widen(values + (2 * TSimd.Count));
            a2 = TSimd.Fma(w0, x, a2);
            x = TSimd.Widen(values + (3 * TSimd.Count));
            a3 = TSimd.Fma(w0, x, a3);
        }

        Store2(o, TSimd.Count, a0, a1);
        Store2(o + (2 * TSimd.Count), TSimd.Count, a2, a3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh2(float* p, int count, ushort* values, int stride, byte* ahead, float* o, int distance)
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TSimd.Count), a2 = TSimd.Load(o + (2 * TSimd.Count)), a3 = TSimd.Load(o + (3 * TSimd.Count));
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TSimd.Count), b2 = TSimd.Load(o + distance + (2 * TSimd.Count)), b3 = TSimd.Load(o + distance + (3 * TSimd.Count));
        for (float* end = p + count; p < end; p++, values += stride, ahead += stride * sizeof(ushort))
        {
            for (int i = 0; i < 4 * TSimd.Count * sizeof(ushort); i += Line)
                Fetch(ahead + i);
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector x = TSimd.Widen(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            x = TSimd.Widen(values + TSimd.Count);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            x = TSimd.Widen(values + (2 * TSimd.Count));
            a2 = TSimd.Fma(w0, x, a2);
            b2 = TSimd.Fma(w1, x, b2);
            x = TSimd.Widen(values + (3 * TSimd.Count));
            a3 = TSimd.Fma(w0, x, a3);
            b3 = TSimd.Fma(w1, x, b3);
        }

        Store2(o, TSimd.Count, a0, a1);
        Store2(o + (2 * TSimd.Count), TSimd.Count, a2, a3);
        Store2(o + distance, TSimd.Count, b0, b1);
        Store2(o + distance + (2 * TSimd.Count), TSimd.Count, b2, b3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh3(float* p, int count, ushort* values, int stride, byte* ahead, float* o, int distance)
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TSimd.Count), a2 = TSimd.Load(o + (2 * TSimd.Count)), a3 = TSimd.Load(o + (3 * TSimd.Count));
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TSimd.Count), b2 = TSimd.Load(o + distance + (2 * TSimd.Count)), b3 = TSimd.Load(o + distance + (3 * TSimd.Count));
        TVector c0 = TSimd.Load(o + (2 * distance)), c1 = TSimd.Load(o + (2 * distance) + TSimd.Count), c2 = TSimd.Load(o + (2 * distance) + (2 * TSimd.Count)), c3 = TSimd.Load(o + (2 * distance) + (3 * TSimd.Count));
        for (float* end = p + count; p < end; p++, values += stride, ahead += stride * sizeof(ushort))
        {
            for (int i = 0; i < 4 * TSimd.Count * sizeof(ushort); i += Line)
                Fetch(ahead + i);
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector w2 = TSimd.Create(p[2 * AttentionSizes.LogitStride]);
            TVector x = TSimd.Widen(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            c0 = TSimd.Fma(w2, x, c0);
            x = TSimd.Widen(values + TSimd.Count);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            c1 = TSimd.Fma(w2, x, c1);
            x = TSimd.Widen(values + (2 * TSimd.Count));
            a2 = TSimd.Fma(w0, x, a2);
            b2 = TSimd.Fma(w1, x, b2);
            c2 = TSimd.Fma(w2, x, c2);
            x = TSimd.Widen(values + (3 * TSimd.Count));
            a3 = TSimd.Fma(w0, x, a3);
            b3 = TSimd.Fma(w1, x, b3);
            c3 = TSimd.Fma(w2, x, c3);
        }

        Store2(o, TSimd.Count, a0, a1);
        Store2(o + (2 * TSimd.Count), TSimd.Count, a2, a3);
        Store2(o + distance, TSimd.Count, b0, b1);
        Store2(o + distance + (2 * TSimd.Count), TSimd.Count, b2, b3);
        Store2(o + (2 * distance), TSimd.Count, c0, c1);
        Store2(o + (2 * distance) + (2 * TSimd.Count), TSimd.Count, c2, c3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh4(float* p, int count, ushort* values, int stride, byte* ahead, float* o, int distance)
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TSimd.Count);
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TSimd.Count);
        TVector c0 = TSimd.Load(o + (2 * distance)), c1 = TSimd.Load(o + (2 * distance) + TSimd.Count);
        TVector d0 = TSimd.Load(o + (3 * distance)), d1 = TSimd.Load(o + (3 * distance) + TSimd.Count);
        for (float* end = p + count; p < end; p++, values += stride, ahead += stride * sizeof(ushort))
        {
            for (int i = 0; i < 2 * TSimd.Count * sizeof(ushort); i += Line)
                Fetch(ahead + i);
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector w2 = TSimd.Create(p[2 * AttentionSizes.LogitStride]);
            TVector w3 = TSimd.Create(p[3 * AttentionSizes.LogitStride]);
            TVector x = TSimd.Widen(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            c0 = TSimd.Fma(w2, x, c0);
            d0 = TSimd.Fma(w3, x, d0);
            x = TSimd.Widen(values + TSimd.Count);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            c1 = TSimd.Fma(w2, x, c1);
            d1 = TSimd.Fma(w3, x, d1);
        }

        Store2(o, TSimd.Count, a0, a1);
        Store2(o + distance, TSimd.Count, b0, b1);
        Store2(o + (2 * distance), TSimd.Count, c0, c1);
        Store2(o + (3 * distance), TSimd.Count, d0, d1);
    }

    /// <summary>Asks for a cache line that is needed soon.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store2(float* target, int distance, TVector first, TVector second)
    {
        TSimd.Store(target, first);
        TSimd.Store(target + distance, second);
    }
}
