using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Register tiles of six queries by two registers: 12 sums, each one chain of fused multiply-adds over coordinates (logits) or KVs (weighted
/// values), and two operands; 15 registers of the 16 that AVX2 has.
/// </summary>
internal static unsafe class AttentionTiles<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>
    /// Logits of six queries <c>[headDim][6]</c> and a panel of keys <c>[headDim][32]</c>, whose coordinates are <paramref name="stride"/> numbers apart; those
    /// of query r go to <c>logits + r * LogitStride</c>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Logits6(float* queries, float* panel, int stride, int headDim, float* logits)
    {
        for (int column = 0; column < AttentionSizes.Panel; column += 2 * TSimd.Count)
            Logits6x2(queries, queries + (headDim * AttentionSizes.Tile), panel + column, stride, logits + column);
    }

    /// <summary>Adds <c>probability * value</c> of the KVs from..to-1, in their order, to the outputs of six queries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Weigh6(float* probabilities, float* values, int from, int to, int headDim, float* outputs, int outputStride)
    {
        int dim = 0;
        for (; dim + (2 * TSimd.Count) <= headDim; dim += 2 * TSimd.Count)
            Weigh6x2(probabilities + from, values + ((long)from * headDim) + dim, to - from, headDim, outputs + dim, outputStride);
        for (; dim + TSimd.Count <= headDim; dim += TSimd.Count)
            Weigh6x1(probabilities + from, values + ((long)from * headDim) + dim, to - from, headDim, outputs + dim, outputStride);
        if (dim < headDim)
            AttentionTiles<Simd256, Vector256<float>>.Weigh6x1(probabilities + from, values + ((long)from * headDim) + dim, to - from, headDim, outputs + dim, outputStride);
    }

    /// <summary>The same for one query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Weigh1(float* probabilities, float* values, int from, int to, int headDim, float* output)
    {
        for (int kv = from; kv < to; kv++)
        {
            float* value = values + ((long)kv * headDim);
            TVector probability = TSimd.Create(probabilities[kv]);
            int dim = 0;
            for (; dim + TSimd.Count <= headDim; dim += TSimd.Count)
                TSimd.Store(output + dim, TSimd.Fma(probability, TSimd.Load(value + dim), TSimd.Load(output + dim)));
            for (; dim < headDim; dim++)
                output[dim] = MathF.FusedMultiplyAdd(probabilities[kv], value[dim], output[dim]);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits6x2(float* queries, float* end, float* keys, int stride, float* logits)
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, c0 = TSimd.Zero, c1 = TSimd.Zero;
        TVector d0 = TSimd.Zero, d1 = TSimd.Zero, e0 = TSimd.Zero, e1 = TSimd.Zero, f0 = TSimd.Zero, f1 = TSimd.Zero;
        for (; queries < end; queries += AttentionSizes.Tile, keys += stride)
        {
            TVector k0 = TSimd.Load(keys), k1 = TSimd.Load(keys + TSimd.Count);
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
            q = TSimd.Create(queries[4]);
            e0 = TSimd.Fma(q, k0, e0);
            e1 = TSimd.Fma(q, k1, e1);
            q = TSimd.Create(queries[5]);
            f0 = TSimd.Fma(q, k0, f0);
            f1 = TSimd.Fma(q, k1, f1);
        }

        Store2(logits, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, b0, b1);
        Store2(logits + (2 * AttentionSizes.LogitStride), c0, c1);
        Store2(logits + (3 * AttentionSizes.LogitStride), d0, d1);
        Store2(logits + (4 * AttentionSizes.LogitStride), e0, e1);
        Store2(logits + (5 * AttentionSizes.LogitStride), f0, f1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh6x2(float* p, float* values, int count, int valueStride, float* o, int stride)
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TSimd.Count);
        TVector b0 = TSimd.Load(o + stride), b1 = TSimd.Load(o + stride + TSimd.Count);
        TVector c0 = TSimd.Load(o + (2 * stride)), c1 = TSimd.Load(o + (2 * stride) + TSimd.Count);
        TVector d0 = TSimd.Load(o + (3 * stride)), d1 = TSimd.Load(o + (3 * stride) + TSimd.Count);
        TVector e0 = TSimd.Load(o + (4 * stride)), e1 = TSimd.Load(o + (4 * stride) + TSimd.Count);
        TVector f0 = TSimd.Load(o + (5 * stride)), f1 = TSimd.Load(o + (5 * stride) + TSimd.Count);
        for (float* end = p + count; p < end; p++, values += valueStride)
        {
            TVector v0 = TSimd.Load(values), v1 = TSimd.Load(values + TSimd.Count);
            TVector w = TSimd.Create(p[0]);
            a0 = TSimd.Fma(w, v0, a0);
            a1 = TSimd.Fma(w, v1, a1);
            w = TSimd.Create(p[AttentionSizes.LogitStride]);
            b0 = TSimd.Fma(w, v0, b0);
            b1 = TSimd.Fma(w, v1, b1);
            w = TSimd.Create(p[2 * AttentionSizes.LogitStride]);
            c0 = TSimd.Fma(w, v0, c0);
            c1 = TSimd.Fma(w, v1, c1);
            w = TSimd.Create(p[3 * AttentionSizes.LogitStride]);
            d0 = TSimd.Fma(w, v0, d0);
            d1 = TSimd.Fma(w, v1, d1);
            w = TSimd.Create(p[4 * AttentionSizes.LogitStride]);
            e0 = TSimd.Fma(w, v0, e0);
            e1 = TSimd.Fma(w, v1, e1);
            w = TSimd.Create(p[5 * AttentionSizes.LogitStride]);
            f0 = TSimd.Fma(w, v0, f0);
            f1 = TSimd.Fma(w, v1, f1);
        }

        Store2(o, a0, a1);
        Store2(o + stride, b0, b1);
        Store2(o + (2 * stride), c0, c1);
        Store2(o + (3 * stride), d0, d1);
        Store2(o + (4 * stride), e0, e1);
        Store2(o + (5 * stride), f0, f1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh6x1(float* p, float* values, int count, int valueStride, float* o, int stride)
    {
        TVector a = TSimd.Load(o), b = TSimd.Load(o + stride), c = TSimd.Load(o + (2 * stride));
        TVector d = TSimd.Load(o + (3 * stride)), e = TSimd.Load(o + (4 * stride)), f = TSimd.Load(o + (5 * stride));
        for (float* end = p + count; p < end; p++, values += valueStride)
        {
            TVector v = TSimd.Load(values);
            a = TSimd.Fma(TSimd.Create(p[0]), v, a);
            b = TSimd.Fma(TSimd.Create(p[AttentionSizes.LogitStride]), v, b);
            c = TSimd.Fma(TSimd.Create(p[2 * AttentionSizes.LogitStride]), v, c);
            d = TSimd.Fma(TSimd.Create(p[3 * AttentionSizes.LogitStride]), v, d);
            e = TSimd.Fma(TSimd.Create(p[4 * AttentionSizes.LogitStride]), v, e);
            f = TSimd.Fma(TSimd.Create(p[5 * AttentionSizes.LogitStride]), v, f);
        }

        TSimd.Store(o, a);
        TSimd.Store(o + stride, b);
        TSimd.Store(o + (2 * stride), c);
        TSimd.Store(o + (3 * stride), d);
        TSimd.Store(o + (4 * stride), e);
        TSimd.Store(o + (5 * stride), f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store2(float* target, TVector first, TVector second)
    {
        TSimd.Store(target, first);
        TSimd.Store(target + TSimd.Count, second);
    }
}
