using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>
/// Tiles of one to four queries that take codes out of pages in registers: for decoding, where a page is read once. Each sum is the same chain as in
/// <see cref="AttentionTiles{TSimd, TVector}"/>; how a register of keys or values comes out of bytes is the readers' business.
/// </summary>
internal static unsafe class CodeTiles<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int Line = 64;

    /// <summary>Coordinates must be a multiple of this.</summary>
    public static int DimensionStep => 64;

    /// <summary>Dot products of the first <paramref name="used"/> keys of a page with <paramref name="count"/> queries <c>[headDim][count]</c>, up to 31 numbers more; fetches another page.</summary>
    public static void Logits(int count, PageLayout* layout, byte* page, int used, float* queries, byte* ahead, int pageBytes, float* logits)
    {
        for (int i = 0; i < pageBytes; i += Line)
            Fetch(ahead + i);
        float* end = queries + (layout->HeadDim * count);
        byte* keys = page + layout->Keys;
        Vector128<sbyte> levels = KvCodec.Levels(layout);
        switch (layout->Format)
        {
            case KvFormat.BF16:
                Logits<BrainKeys<TSimd, TVector>>(count, queries, end, keys, layout->Slots, used, levels, logits);
                break;
            case KvFormat.K8V8:
            case KvFormat.K8V4:
                Logits<ByteKeys<TSimd, TVector>>(count, queries, end, keys, layout->Slots, used, levels, logits);
                break;
            default:
                Logits<NibbleKeys<TSimd, TVector>>(count, queries, end, keys, layout->Slots, used, levels, logits);
                break;
        }
    }

    /// <summary>Adds <c>probability * code</c> of <paramref name="kvs"/> values that follow each other in a page to the outputs of <paramref name="count"/> queries.</summary>
    public static void Weigh(int count, PageLayout* layout, byte* values, float* probabilities, int kvs, float* outputs, int distance)
    {
        switch (layout->Format)
        {
            case KvFormat.BF16:
                Weigh<BrainValues<TSimd, TVector>>(count, layout, values, probabilities, kvs, outputs, distance);
                break;
            case KvFormat.K8V8:
                Weigh<ByteValues<TSimd, TVector>>(count, layout, values, probabilities, kvs, outputs, distance);
                break;
            case KvFormat.K4V2:
                Weigh<QuarterValues<TSimd, TVector>>(count, layout, values, probabilities, kvs, outputs, distance);
                break;
            default:
                Weigh<NibbleValues<TSimd, TVector>>(count, layout, values, probabilities, kvs, outputs, distance);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Logits<TKeys>(int count, float* queries, float* end, byte* keys, int slots, int used, Vector128<sbyte> levels, float* logits)
        where TKeys : struct, IKeyReader<TVector>
    {
        for (int slot = 0; slot < used; slot += 2 * TSimd.Count)
        {
            // The second register of an odd last pair is read from the first one's place; its sums lie beyond the keys that count.
            byte* first = keys + (slot * TKeys.SlotBytes), second = slot + TSimd.Count < used ? first + (TSimd.Count * TKeys.SlotBytes) : first;
            switch (count)
            {
                case 1:
                    Logits1<TKeys>(queries, end, first, second, slots, levels, logits + slot);
                    break;
                case 2:
                    Logits2<TKeys>(queries, end, first, second, slots, levels, logits + slot);
                    break;
                case 3:
                    Logits3<TKeys>(queries, end, first, second, slots, levels, logits + slot);
                    break;
                default:
                    Logits4<TKeys>(queries, end, first, second, slots, levels, logits + slot);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weigh<TValues>(int count, PageLayout* layout, byte* values, float* p, int kvs, float* outputs, int distance)
        where TValues : struct, IValueReader<TVector>
    {
        for (int offset = 0; offset < layout->ValueBytes; offset += TValues.Bytes)
        {
            byte* v = values + offset;
            float* o = outputs + TValues.Dimension(offset);
            switch (count)
            {
                case 1:
                    Weigh1<TValues>(p, kvs, v, layout->ValueBytes, o, distance);
                    break;
                case 2:
                    Weigh2<TValues>(p, kvs, v, layout->ValueBytes, o, distance);
                    break;
                case 3:
                    Weigh3<TValues>(p, kvs, v, layout->ValueBytes, o, distance);
                    break;
                default:
                    Weigh4<TValues>(p, kvs, v, layout->ValueBytes, o, distance);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits1<TKeys>(float* queries, float* end, byte* first, byte* second, int slots, Vector128<sbyte> levels, float* logits)
        where TKeys : struct, IKeyReader<TVector>
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero;
        int stride = TKeys.PairBytes * slots;
        for (; queries < end; queries += 2 * 1, first += stride, second += stride)
        {
            TVector k0 = TKeys.Lower(first, levels), k1 = TKeys.Lower(second, levels);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            k0 = TKeys.Upper(first, slots, levels);
            k1 = TKeys.Upper(second, slots, levels);
            q = TSimd.Create(queries[1]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
        }

        Store2(logits, a0, a1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits2<TKeys>(float* queries, float* end, byte* first, byte* second, int slots, Vector128<sbyte> levels, float* logits)
        where TKeys : struct, IKeyReader<TVector>
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero;
        int stride = TKeys.PairBytes * slots;
        for (; queries < end; queries += 2 * 2, first += stride, second += stride)
        {
            TVector k0 = TKeys.Lower(first, levels), k1 = TKeys.Lower(second, levels);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[1]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            k0 = TKeys.Upper(first, slots, levels);
            k1 = TKeys.Upper(second, slots, levels);
            q = TSimd.Create(queries[2]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[3]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
        }

        Store2(logits, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, b0, b1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits3<TKeys>(float* queries, float* end, byte* first, byte* second, int slots, Vector128<sbyte> levels, float* logits)
        where TKeys : struct, IKeyReader<TVector>
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, c0 = TSimd.Zero, c1 = TSimd.Zero;
        int stride = TKeys.PairBytes * slots;
        for (; queries < end; queries += 2 * 3, first += stride, second += stride)
        {
            TVector k0 = TKeys.Lower(first, levels), k1 = TKeys.Lower(second, levels);
            TVector q = TSimd.Create(queries[0]);
            a0 = TSimd.Fma(q, k0, a0);
            a1 = TSimd.Fma(q, k1, a1);
            q = TSimd.Create(queries[1]);
            b0 = TSimd.Fma(q, k0, b0);
            b1 = TSimd.Fma(q, k1, b1);
            q = TSimd.Create(queries[2]);
            c0 = TSimd.Fma(q, k0, c0);
            c1 = TSimd.Fma(q, k1, c1);
            k0 = TKeys.Upper(first, slots, levels);
            k1 = TKeys.Upper(second, slots, levels);
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

        Store2(logits, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, b0, b1);
        Store2(logits + (2 * AttentionSizes.LogitStride), c0, c1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Logits4<TKeys>(float* queries, float* end, byte* first, byte* second, int slots, Vector128<sbyte> levels, float* logits)
        where TKeys : struct, IKeyReader<TVector>
    {
        TVector a0 = TSimd.Zero, a1 = TSimd.Zero, b0 = TSimd.Zero, b1 = TSimd.Zero, c0 = TSimd.Zero, c1 = TSimd.Zero, d0 = TSimd.Zero, d1 = TSimd.Zero;
        int stride = TKeys.PairBytes * slots;
        for (; queries < end; queries += 2 * 4, first += stride, second += stride)
        {
            TVector k0 = TKeys.Lower(first, levels), k1 = TKeys.Lower(second, levels);
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
            k0 = TKeys.Upper(first, slots, levels);
            k1 = TKeys.Upper(second, slots, levels);
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

        Store2(logits, a0, a1);
        Store2(logits + AttentionSizes.LogitStride, b0, b1);
        Store2(logits + (2 * AttentionSizes.LogitStride), c0, c1);
        Store2(logits + (3 * AttentionSizes.LogitStride), d0, d1);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh1<TValues>(float* p, int count, byte* values, int stride, float* o, int distance)
        where TValues : struct, IValueReader<TVector>
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TValues.Second), a2 = TSimd.Load(o + TValues.Third), a3 = TSimd.Load(o + TValues.Fourth);
        for (float* end = p + count; p < end; p++, values += stride)
        {
            TVector w0 = TSimd.Create(p[0]);
            TVector x = TValues.Read0(values);
            a0 = TSimd.Fma(w0, x, a0);
            x = TValues.Read1(values);
            a1 = TSimd.Fma(w0, x, a1);
            x = TValues.Read2(values);
            a2 = TSimd.Fma(w0, x, a2);
            x = TValues.Read3(values);
            a3 = TSimd.Fma(w0, x, a3);
        }

        Store4<TValues>(o, a0, a1, a2, a3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh2<TValues>(float* p, int count, byte* values, int stride, float* o, int distance)
        where TValues : struct, IValueReader<TVector>
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TValues.Second), a2 = TSimd.Load(o + TValues.Third), a3 = TSimd.Load(o + TValues.Fourth);
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TValues.Second), b2 = TSimd.Load(o + distance + TValues.Third), b3 = TSimd.Load(o + distance + TValues.Fourth);
        for (float* end = p + count; p < end; p++, values += stride)
        {
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector x = TValues.Read0(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            x = TValues.Read1(values);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            x = TValues.Read2(values);
            a2 = TSimd.Fma(w0, x, a2);
            b2 = TSimd.Fma(w1, x, b2);
            x = TValues.Read3(values);
            a3 = TSimd.Fma(w0, x, a3);
            b3 = TSimd.Fma(w1, x, b3);
        }

        Store4<TValues>(o, a0, a1, a2, a3);
        Store4<TValues>(o + distance, b0, b1, b2, b3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh3<TValues>(float* p, int count, byte* values, int stride, float* o, int distance)
        where TValues : struct, IValueReader<TVector>
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TValues.Second), a2 = TSimd.Load(o + TValues.Third), a3 = TSimd.Load(o + TValues.Fourth);
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TValues.Second), b2 = TSimd.Load(o + distance + TValues.Third), b3 = TSimd.Load(o + distance + TValues.Fourth);
        TVector c0 = TSimd.Load(o + (2 * distance)), c1 = TSimd.Load(o + (2 * distance) + TValues.Second), c2 = TSimd.Load(o + (2 * distance) + TValues.Third), c3 = TSimd.Load(o + (2 * distance) + TValues.Fourth);
        for (float* end = p + count; p < end; p++, values += stride)
        {
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector w2 = TSimd.Create(p[2 * AttentionSizes.LogitStride]);
            TVector x = TValues.Read0(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            c0 = TSimd.Fma(w2, x, c0);
            x = TValues.Read1(values);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            c1 = TSimd.Fma(w2, x, c1);
            x = TValues.Read2(values);
            a2 = TSimd.Fma(w0, x, a2);
            b2 = TSimd.Fma(w1, x, b2);
            c2 = TSimd.Fma(w2, x, c2);
            x = TValues.Read3(values);
            a3 = TSimd.Fma(w0, x, a3);
            b3 = TSimd.Fma(w1, x, b3);
            c3 = TSimd.Fma(w2, x, c3);
        }

        Store4<TValues>(o, a0, a1, a2, a3);
        Store4<TValues>(o + distance, b0, b1, b2, b3);
        Store4<TValues>(o + (2 * distance), c0, c1, c2, c3);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Weigh4<TValues>(float* p, int count, byte* values, int stride, float* o, int distance)
        where TValues : struct, IValueReader<TVector>
    {
        TVector a0 = TSimd.Load(o), a1 = TSimd.Load(o + TValues.Second), a2 = TSimd.Load(o + TValues.Third), a3 = TSimd.Load(o + TValues.Fourth);
        TVector b0 = TSimd.Load(o + distance), b1 = TSimd.Load(o + distance + TValues.Second), b2 = TSimd.Load(o + distance + TValues.Third), b3 = TSimd.Load(o + distance + TValues.Fourth);
        TVector c0 = TSimd.Load(o + (2 * distance)), c1 = TSimd.Load(o + (2 * distance) + TValues.Second), c2 = TSimd.Load(o + (2 * distance) + TValues.Third), c3 = TSimd.Load(o + (2 * distance) + TValues.Fourth);
        TVector d0 = TSimd.Load(o + (3 * distance)), d1 = TSimd.Load(o + (3 * distance) + TValues.Second), d2 = TSimd.Load(o + (3 * distance) + TValues.Third), d3 = TSimd.Load(o + (3 * distance) + TValues.Fourth);
        for (float* end = p + count; p < end; p++, values += stride)
        {
            TVector w0 = TSimd.Create(p[0]);
            TVector w1 = TSimd.Create(p[AttentionSizes.LogitStride]);
            TVector w2 = TSimd.Create(p[2 * AttentionSizes.LogitStride]);
            TVector w3 = TSimd.Create(p[3 * AttentionSizes.LogitStride]);
            TVector x = TValues.Read0(values);
            a0 = TSimd.Fma(w0, x, a0);
            b0 = TSimd.Fma(w1, x, b0);
            c0 = TSimd.Fma(w2, x, c0);
            d0 = TSimd.Fma(w3, x, d0);
            x = TValues.Read1(values);
            a1 = TSimd.Fma(w0, x, a1);
            b1 = TSimd.Fma(w1, x, b1);
            c1 = TSimd.Fma(w2, x, c1);
            d1 = TSimd.Fma(w3, x, d1);
            x = TValues.Read2(values);
            a2 = TSimd.Fma(w0, x, a2);
            b2 = TSimd.Fma(w1, x, b2);
            c2 = TSimd.Fma(w2, x, c2);
            d2 = TSimd.Fma(w3, x, d2);
            x = TValues.Read3(values);
            a3 = TSimd.Fma(w0, x, a3);
            b3 = TSimd.Fma(w1, x, b3);
            c3 = TSimd.Fma(w2, x, c3);
            d3 = TSimd.Fma(w3, x, d3);
        }

        Store4<TValues>(o, a0, a1, a2, a3);
        Store4<TValues>(o + distance, b0, b1, b2, b3);
        Store4<TValues>(o + (2 * distance), c0, c1, c2, c3);
        Store4<TValues>(o + (3 * distance), d0, d1, d2, d3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store2(float* target, TVector first, TVector second)
    {
        TSimd.Store(target, first);
        TSimd.Store(target + TSimd.Count, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<TValues>(float* target, TVector first, TVector second, TVector third, TVector fourth)
        where TValues : struct, IValueReader<TVector>
    {
        TSimd.Store(target, first);
        TSimd.Store(target + TValues.Second, second);
        TSimd.Store(target + TValues.Third, third);
        TSimd.Store(target + TValues.Fourth, fourth);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }
}
