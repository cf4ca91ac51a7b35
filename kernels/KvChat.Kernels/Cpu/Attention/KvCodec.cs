using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Keys and values to and from pages, one KV at a time, in every format. Codes are the same for all vector widths.</summary>
/// <remarks>
/// A number is read as <c>scale * code + zero</c>. Keys of 8 bits and values of 8 bits are signed codes around the middle of their range; keys of 4
/// bits pick one of 16 signed levels; values of 4 and 2 bits count from the smallest number. Scale and zero are rounded to halves first and
/// codes are chosen for them as they are, so that rounding costs nothing at the ends.
/// </remarks>
internal static unsafe class KvCodec
{
    /// <summary>Levels of plain keys of 4 bits.</summary>
    public static readonly Vector128<sbyte> PlainLevels = Vector128.Create(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, (sbyte)7);

    /// <summary>The 16 levels of Lloyd and Max for a normal distribution, times <see cref="LevelsPerDeviation"/>, to the nearest whole number.</summary>
    public static readonly Vector128<sbyte> NormalLevels = Vector128.Create(-127, -96, -75, -58, -44, -31, -18, -6, 6, 18, 31, 44, 58, 75, 96, (sbyte)127);

    private const float LevelsPerDeviation = 127 / 2.7326f;

    // Sizes of levels that are tried, in parts of the one that suits a normal distribution: 0.76, 0.84 ... 1.24.
    private const int LevelSizes = 7;
    private const float LeastSize = 9.5f, SizeStep = 0.08f;

    /// <summary>Levels of a layout's keys of 4 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Levels(PageLayout* layout) => layout->RotatesKeys ? NormalLevels : PlainLevels;

    /// <summary>Half at an index of one of a page's four arrays of scales: scale and zero of keys, scale and zero of values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort* Scales(PageLayout* layout, byte* page, int array) => (ushort*)(page + layout->Scales) + (array * layout->Slots);

    /// <summary>Stores a key as codes; <paramref name="key"/> is used up, <paramref name="codes"/> has room for headDim of them.</summary>
    public static void StoreKey(PageLayout* layout, byte* page, int slot, float* key, int* codes)
    {
        int headDim = layout->HeadDim, slots = layout->Slots;
        ushort scale, zero;
        if (layout->RotatesKeys)
        {
            Hadamard.Rotate(key, headDim);
            scale = PickLevels(key, headDim, codes);
            zero = 0;
        }
        else
        {
            int bits = layout->Format.KeyBits();
            Quantize(key, headDim, (1 << bits) - 1, 1 << (bits - 1), codes, out scale, out zero);
        }

        Scales(layout, page, 0)[slot] = scale;
        Scales(layout, page, 1)[slot] = zero;
        byte* target = page + layout->Keys + slot;
        if (layout->KeyBytes == headDim)
        {
            for (int i = 0; i < headDim; i++, target += slots)
                *target = (byte)(codes[i] - 128);
        }
        else
        {
            for (int i = 0; i < headDim; i += 2, target += slots)
                *target = (byte)(codes[i] | (codes[i + 1] << 4));
        }
    }

    /// <summary>Stores a value as codes; <paramref name="value"/> is used up.</summary>
    public static void StoreValue(PageLayout* layout, byte* page, int slot, float* value, int* codes)
    {
        int headDim = layout->HeadDim, bits = layout->Format.ValueBits();
        if (layout->RotatesValues)
            Hadamard.Rotate(value, headDim);
        Quantize(value, headDim, (1 << bits) - 1, bits == 8 ? 128 : 0, codes, out ushort scale, out ushort zero);
        Scales(layout, page, 2)[slot] = scale;
        Scales(layout, page, 3)[slot] = zero;
        byte* target = page + layout->Values + (slot * layout->ValueBytes);
        if (bits == 8)
        {
            for (int i = 0; i < headDim; i++)
                target[i] = (byte)(codes[i] - 128);
            return;
        }

        int parts = 8 / bits;
        for (int block = 0; block < headDim; block += 16 * parts)
        {
            int width = Math.Min(16 * parts, headDim - block) / parts;
            for (int i = 0; i < width; i++)
            {
                int packed = codes[block + i] | (codes[block + width + i] << bits);
                if (parts == 4)
                    packed |= (codes[block + (2 * width) + i] << 4) | (codes[block + (3 * width) + i] << 6);
                target[(block / parts) + i] = (byte)packed;
            }
        }
    }

    /// <summary>A coordinate of a key as kernels see it: a number, times 2^-112 in F16, or the level that its code stands for.</summary>
    public static float KeyCode(PageLayout* layout, byte* page, int slot, int dim, int pageTokens)
    {
        byte* keys = page + layout->Keys;
        int pair = (2 * (((dim >> 1) * pageTokens) + slot)) + (dim & 1);
        return layout->Format switch
        {
            KvFormat.F32 => ((float*)keys)[(dim * layout->Slots) + slot],
            KvFormat.F16 => HalfBits.WidenScaled(((ushort*)keys)[pair]),
            KvFormat.BF16 => BitConverter.Int32BitsToSingle(((ushort*)keys)[pair] << 16),
            KvFormat.K8V8 or KvFormat.K8V4 => (sbyte)keys[(dim * layout->Slots) + slot],
            _ => Levels(layout)[(keys[((dim >> 1) * layout->Slots) + slot] >> (4 * (dim & 1))) & 15],
        };
    }

    /// <summary>A coordinate of a value as kernels see it.</summary>
    public static float ValueCode(PageLayout* layout, byte* page, int slot, int dim)
    {
        byte* row = page + layout->Values + (slot * layout->ValueBytes);
        switch (layout->Format)
        {
            case KvFormat.F32:
                return ((float*)row)[dim];
            case KvFormat.F16:
                return HalfBits.WidenScaled(((ushort*)row)[dim]);
            case KvFormat.BF16:
                return BitConverter.Int32BitsToSingle(((ushort*)row)[dim] << 16);
            case KvFormat.K8V8:
                return (sbyte)row[dim];
            default:
                int bits = layout->Format.ValueBits();
                PageLayout.Locate(dim, layout->HeadDim, bits, out int offset, out int shift);
                return (row[offset] >> shift) & ((1 << bits) - 1);
        }
    }

    /// <summary>Reads a key as fp32.</summary>
    public static void LoadKey(PageLayout* layout, byte* page, int slot, int pageTokens, float* key)
    {
        if (!layout->HasScales)
        {
            // Halves are widened as they are: what is no number stays none.
            for (int i = 0; i < layout->HeadDim; i++)
                key[i] = layout->IsHalf ? HalfBits.Widen(((ushort*)page)[(2 * (((i >> 1) * pageTokens) + slot)) + (i & 1)]) : KeyCode(layout, page, slot, i, pageTokens);
            return;
        }

        float scale = HalfBits.Widen(Scales(layout, page, 0)[slot]), zero = HalfBits.Widen(Scales(layout, page, 1)[slot]);
        for (int i = 0; i < layout->HeadDim; i++)
            key[i] = MathF.FusedMultiplyAdd(KeyCode(layout, page, slot, i, pageTokens), scale, zero);
        if (layout->RotatesKeys)
            Hadamard.Undo(key, layout->HeadDim);
    }

    /// <summary>Reads a value as fp32.</summary>
    public static void LoadValue(PageLayout* layout, byte* page, int slot, float* value)
    {
        if (!layout->HasScales)
        {
            for (int i = 0; i < layout->HeadDim; i++)
                value[i] = layout->IsHalf ? HalfBits.Widen(((ushort*)(page + layout->Values))[(slot * layout->HeadDim) + i]) : ValueCode(layout, page, slot, i);
            return;
        }

        float scale = HalfBits.Widen(Scales(layout, page, 2)[slot]), zero = HalfBits.Widen(Scales(layout, page, 3)[slot]);
        for (int i = 0; i < layout->HeadDim; i++)
            value[i] = MathF.FusedMultiplyAdd(ValueCode(layout, page, slot, i), scale, zero);
        if (layout->RotatesValues)
            Hadamard.Undo(value, layout->HeadDim);
    }

    /// <summary>The upper half of a single, rounded to nearest, ties to even; NaN stays NaN.</summary>
    public static ushort ToBrain(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    // Codes 0..levels for scale * (code - offset) + zero.
    private static void Quantize(float* x, int count, int levels, int offset, int* codes, out ushort scale, out ushort zero)
    {
        Vector256<float> low = Vector256.Create(float.PositiveInfinity), high = Vector256.Create(float.NegativeInfinity);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> v = Vector256.Load(x + i);
            low = Vector256.ConditionalSelect(Vector256.LessThan(v, low), v, low);
            high = Vector256.ConditionalSelect(Vector256.GreaterThan(v, high), v, high);
        }

        float least = float.PositiveInfinity, most = float.NegativeInfinity;
        for (int i = 0; i < Vector256<float>.Count; i++)
        {
            least = low[i] < least ? low[i] : least;
            most = high[i] > most ? high[i] : most;
        }

        least = Math.Clamp(least, -65504f, 65504f) + 0f;
        most = Math.Clamp(most, -65504f, 65504f) + 0f;
        scale = HalfAtLeast((most - least) / levels);
        float step = HalfBits.Widen(scale);
        zero = HalfBits.Narrow(least + (offset * step));
        float inverse = step > 0 ? 1 / step : 0, start = HalfBits.Widen(zero);
        Round(x, count, start, inverse, offset + 0.5f, levels, codes);
    }

    private static void Round(float* x, int count, float start, float inverse, float offset, int levels, int* codes)
    {
        Vector256<float> s = Vector256.Create(start), r = Vector256.Create(inverse), o = Vector256.Create(offset), most = Vector256.Create((float)levels);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> t = ((Vector256.Load(x + i) - s) * r) + o;
            t = Vector256.ConditionalSelect(Vector256.GreaterThan(t, Vector256<float>.Zero), t, Vector256<float>.Zero);
            t = Vector256.ConditionalSelect(Vector256.GreaterThan(t, most), most, t);
            Vector256.ConvertToInt32(t).Store(codes + i);
        }
    }

    // Nearest levels of a normal distribution, for the one of seven sizes about the vector's own that comes nearest to it; then the scale that fits these levels best.
    private static ushort PickLevels(float* x, int count, int* codes)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        for (int i = 0; i < count; i += Vector256<float>.Count)
            sum += Vector256.Load(x + i) * Vector256.Load(x + i);
        float squares = Sum(sum), own = squares > 0 ? LevelsPerDeviation / MathF.Sqrt(squares / count) : 0, chosen = 0, scale = 0, best = -1;
        for (int size = 0; size < LevelSizes; size++)
        {
            float factor = own * ((LeastSize + size) * SizeStep);
            (float product, float norm) = Project(x, count, factor);
            float gain = product * (product / norm); // what these levels take off the squared error
            if (gain <= best)
                continue;
            (best, chosen, scale) = (gain, factor, product / norm);
        }

        CodeLevels(x, count, chosen, codes);
        return HalfBits.Narrow(scale);
    }

    // Products of the numbers with the levels nearest to them, and of the levels with themselves; the latter is a whole number below 2^24.
    private static (float Product, float Norm) Project(float* x, int count, float factor)
    {
        Vector256<float> product = Vector256<float>.Zero, norm = Vector256<float>.Zero, sign = Vector256.Create(-0f);
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> number = Vector256.Load(x + i), scaled = number * factor, magnitude = Vector256.Abs(scaled), level = Vector256.Create(6f);
            level += Vector256.Create(12f) & Vector256.GreaterThan(magnitude, Vector256.Create(12f));
            level += Vector256.Create(13f) & Vector256.GreaterThan(magnitude, Vector256.Create(24.5f));
            level += Vector256.Create(13f) & Vector256.GreaterThan(magnitude, Vector256.Create(37.5f));
            level += Vector256.Create(14f) & Vector256.GreaterThan(magnitude, Vector256.Create(51f));
            level += Vector256.Create(17f) & Vector256.GreaterThan(magnitude, Vector256.Create(66.5f));
            level += Vector256.Create(21f) & Vector256.GreaterThan(magnitude, Vector256.Create(85.5f));
            level += Vector256.Create(31f) & Vector256.GreaterThan(magnitude, Vector256.Create(111.5f));
            product += number * (level | (scaled & sign));
            norm += level * level;
        }

        return (Sum(product), Sum(norm));
    }

    // Codes of the levels that Project takes.
    private static void CodeLevels(float* x, int count, float factor, int* codes)
    {
        for (int i = 0; i < count; i += Vector256<float>.Count)
        {
            Vector256<float> scaled = Vector256.Load(x + i) * factor, magnitude = Vector256.Abs(scaled);
            Vector256<int> level = -(Vector256.GreaterThan(magnitude, Vector256.Create(12f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(24.5f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(37.5f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(51f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(66.5f)).AsInt32() + Vector256.GreaterThan(magnitude, Vector256.Create(85.5f)).AsInt32()
                + Vector256.GreaterThan(magnitude, Vector256.Create(111.5f)).AsInt32());
            Vector256<int> below = Vector256.LessThan(scaled, Vector256<float>.Zero).AsInt32();
            ((level ^ below) + Vector256.Create(8)).Store(codes + i); // ~level = -1 - level below zero
        }
    }

    // One order of additions for all processors.
    private static float Sum(Vector256<float> v) => (v[0] + v[1] + (v[2] + v[3])) + (v[4] + v[5] + (v[6] + v[7]));

    private static ushort HalfAtLeast(float value)
    {
        ushort half = HalfBits.Narrow(value);
        return HalfBits.Widen(half) < value && half < 0x7BFF ? (ushort)(half + 1) : half;
    }
}
