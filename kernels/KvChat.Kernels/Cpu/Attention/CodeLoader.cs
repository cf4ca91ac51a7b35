using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Codes of a page as numbers in a worker's memory, for blocks of queries that read them many times. Scales stay apart.</summary>
internal static unsafe class CodeLoader<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Levels of a page's keys, <c>[headDim][CodeStride]</c>. What a register holds beyond the page's slots stands where the next page goes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadKeys(PageLayout* layout, byte* page, float* target)
    {
        byte* keys = page + layout->Keys;
        int slots = layout->Slots, headDim = layout->HeadDim;
        if (layout->KeyBytes == headDim)
        {
            for (int i = 0; i < headDim; i++, keys += slots, target += AttentionSizes.CodeStride)
            {
                for (int slot = 0; slot < slots; slot += TSimd.Count)
                    TSimd.Store(target + slot, TSimd.FromBytes(TSimd.LoadBytes(keys + slot).AsSByte()));
            }

            return;
        }

        Vector128<sbyte> levels = KvCodec.Levels(layout);
        for (int i = 0; i < headDim; i += 2, keys += slots, target += 2 * AttentionSizes.CodeStride)
        {
            for (int slot = 0; slot < slots; slot += TSimd.Count)
            {
                Vector128<byte> codes = TSimd.LoadBytes(keys + slot);
                TSimd.Store(target + slot, TSimd.FromBytes(Codes.LowLevels(codes, levels)));
                TSimd.Store(target + AttentionSizes.CodeStride + slot, TSimd.FromBytes(Codes.HighLevels(codes, levels)));
            }
        }
    }

    /// <summary>Codes of a page's values, <c>[slots][headDim]</c>.</summary>
    public static void LoadValues(PageLayout* layout, byte* page, float* target)
    {
        byte* values = page + layout->Values;
        for (int slot = 0; slot < layout->Slots; slot++, values += layout->ValueBytes, target += layout->HeadDim)
        {
            if (layout->ValueBytes == layout->HeadDim)
                LoadBytes(values, layout->HeadDim, target);
            else
                LoadParts(values, layout->HeadDim, layout->HeadDim / layout->ValueBytes, target);
        }
    }

    private static void LoadBytes(byte* values, int headDim, float* target)
    {
        int i = 0;
        for (; i + TSimd.Count <= headDim; i += TSimd.Count)
            TSimd.Store(target + i, TSimd.FromBytes(TSimd.LoadBytes(values + i).AsSByte()));
        for (; i < headDim; i++)
            target[i] = (sbyte)values[i];
    }

    // Two or four codes in a byte, in blocks of 16 bytes.
    private static void LoadParts(byte* values, int headDim, int parts, float* target)
    {
        int bits = 8 / parts, mask = (1 << bits) - 1;
        for (int block = 0; block < headDim; block += 16 * parts, values += 16, target += 16 * parts)
        {
            int width = Math.Min(16 * parts, headDim - block) / parts, i = 0;
            for (; i + TSimd.Count <= width; i += TSimd.Count)
            {
                Vector128<byte> codes = TSimd.LoadBytes(values + i);
                for (int part = 0; part < parts; part++)
                    TSimd.Store(target + (part * width) + i, TSimd.FromBytes(Codes.Part(codes, part * bits, (byte)mask)));
            }

            for (; i < width; i++)
            {
                for (int part = 0; part < parts; part++)
                    target[(part * width) + i] = (values[i] >> (part * bits)) & mask;
            }
        }
    }
}

/// <summary>Codes out of bytes.</summary>
internal static class Codes
{
    /// <summary>Levels that the lower four bits of each byte name.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> LowLevels(Vector128<byte> codes, Vector128<sbyte> levels) =>
        Vector128.ShuffleNative(levels, (codes & Vector128.Create((byte)15)).AsSByte());

    /// <summary>Levels that the upper four bits of each byte name.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> HighLevels(Vector128<byte> codes, Vector128<sbyte> levels) =>
        Vector128.ShuffleNative(levels, Part(codes, 4, 15));

    /// <summary>Some bits of each byte. What a wider shift brings over from the next byte is masked away.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Part(Vector128<byte> codes, int shift, byte mask) =>
        ((codes.AsUInt16() >>> shift).AsByte() & Vector128.Create(mask)).AsSByte();
}
