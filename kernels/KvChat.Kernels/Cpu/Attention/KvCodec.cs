using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Keys and values to and from pages, one KV at a time, in every format. Codes are the same for all vector widths.</summary>
/// <remarks>
/// A number is read as <c>scale * code + zero</c>. Keys of 8 bits and values of 8 bits are signed codes around the middle of their range; keys of 4
/// bits pick one of 16 signed levels; values of 4 and 2 bits count from the smallest number, or, turned ones of 2 bits, from the start of the range that fits them best. Scale and zero are rounded to halves first and
/// codes are chosen for them as they are, so that rounding costs nothing at the ends.
/// </remarks>
internal static unsafe class KvCodec
{
    /// <summary>Levels of plain keys of 4 bits.</summary>
    public static readonly Vector128<sbyte> PlainLevels = Vector128.Create(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, (sbyte)7);

    /// <summary>The 16 levels of Lloyd and Max for a normal distribution, times <see cref="CodeFit.LevelsPerDeviation"/>, to the nearest whole number.</summary>
    public static readonly Vector128<sbyte> NormalLevels = Vector128.Create(-127, -96, -75, -58, -44, -31, -18, -6, 6, 18, 31, 44, 58, 75, 96, (sbyte)127);

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
            scale = CodeFit.PickLevels(key, headDim, codes);
            zero = 0;
        }
        else
        {
            int bits = layout->Format.KeyBits();
            CodeFit.Quantize(key, headDim, (1 << bits) - 1, 1 << (bits - 1), codes, out scale, out zero);
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
        ushort scale, zero;
        if (layout->RotatesValues)
            Hadamard.Rotate(value, headDim);
        if (layout->RotatesValues && bits == 2)
            CodeFit.QuantizeFitted(value, headDim, (1 << bits) - 1, codes, out scale, out zero);
        else
            CodeFit.Quantize(value, headDim, (1 << bits) - 1, bits == 8 ? 128 : 0, codes, out scale, out zero);

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
            if (layout->IsHalf)
            {
                LoadHalfKey((uint*)page + slot, pageTokens, layout->HeadDim, key);
                return;
            }

            for (int i = 0; i < layout->HeadDim; i++)
                key[i] = KeyCode(layout, page, slot, i, pageTokens);
            return;
        }

        float scale = HalfBits.Widen(Scales(layout, page, 0)[slot]), zero = HalfBits.Widen(Scales(layout, page, 1)[slot]);
        for (int i = 0; i < layout->HeadDim; i++)
            key[i] = MathF.FusedMultiplyAdd(KeyCode(layout, page, slot, i, pageTokens), scale, zero);
        if (layout->RotatesKeys)
            Hadamard.Undo(key, layout->HeadDim);
    }

    // Halves stand in pairs, slot after slot.
    private static void LoadHalfKey(uint* pairs, int stride, int headDim, float* key)
    {
        uint* own = stackalloc uint[headDim / 2];
        for (int i = 0; i < headDim / 2; i++)
            own[i] = pairs[(long)i * stride];
        HalfBits.Widen((ushort*)own, key, headDim);
    }

    /// <summary>Reads a value as fp32.</summary>
    public static void LoadValue(PageLayout* layout, byte* page, int slot, float* value)
    {
        if (!layout->HasScales)
        {
            if (layout->IsHalf)
            {
                HalfBits.Widen((ushort*)(page + layout->Values) + (slot * layout->HeadDim), value, layout->HeadDim);
                return;
            }

            for (int i = 0; i < layout->HeadDim; i++)
                value[i] = ValueCode(layout, page, slot, i);
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
}
