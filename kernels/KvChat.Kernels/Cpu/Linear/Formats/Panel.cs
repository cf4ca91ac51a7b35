using System.Runtime.CompilerServices;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>A panel format put together from how codes lie, how scales lie, and the file format that they come from.</summary>
internal readonly unsafe struct Panel<TCodes, TScales, TFile> : IPanelFormat
    where TCodes : struct, IPanelCodes
    where TScales : struct, IPanelScales
    where TFile : struct, IFileFormat
{
    public static int SuperBlocks => TScales.SuperBlocks;

    public static int HeaderBytes => TScales.HeaderBytes;

    public static int BlockBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TCodes.Bytes + TScales.Bytes;
    }

    public static bool HasMinimum => TScales.HasMinimum;

    public static bool Halves => TScales.Halves;

    public static bool Signed => TCodes.Signed;

    public static int MaxCode => TCodes.MaxCode;

    public static int Offset => TFile.Offset;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Codes<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TCodes.Load<TSimd, TInt, TFloat>(block, group);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TScales.HeaderScale<TSimd, TInt, TFloat>(header, lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TScales.HeaderMinimum<TSimd, TInt, TFloat>(header, lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Scale<TSimd, TInt, TFloat>(byte* block, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TScales.Scale<TSimd, TInt, TFloat>(block + TCodes.Bytes, half, lane, header);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Minimum<TSimd, TInt, TFloat>(byte* block, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TScales.Minimum<TSimd, TInt, TFloat>(block + TCodes.Bytes, half, lane, header);

    public static int CodeAt(byte* block, int row, int column) => TCodes.Get(block, row, column) - TFile.Offset;

    public static float ScaleAt(byte* header, byte* block, int row, int half) => TScales.ScaleAt(header, block + TCodes.Bytes, row, half);

    public static float MinimumAt(byte* header, byte* block, int row, int half) => TScales.MinimumAt(header, block + TCodes.Bytes, row, half);

    public static int SourceBytes => WeightFormats.BlockBytes(TFile.Format);

    public static void Pack(byte* source, byte* header, int row)
    {
        FileBlock file;
        TFile.Read(source, &file);
        CheckFinite(file.Scale);
        CheckFinite(file.Minimum);
        TScales.SetHeader(header, row, file.Scale, file.Minimum);
        for (int b = 0; b < SuperBlocks; b++)
        {
            byte* block = header + HeaderBytes + (b * BlockBytes);
            for (int k = 0; k < 32; k++)
            {
                TCodes.Set(block, row, k, file.Codes[(b * 32) + k]);
            }

            int halves = Halves ? 2 : 1;
            for (int half = 0; half < halves; half++)
            {
                int at = (b * halves) + half;
                if (SuperBlocks == 1)
                    TScales.Set(block + TCodes.Bytes, row, half, file.Scale, file.Minimum);
                else
                    TScales.Set(block + TCodes.Bytes, row, half, file.Scales[at], file.Minima[at]);
            }
        }
    }

    private static void CheckFinite(ushort half)
    {
        if ((half & 0x7C00) == 0x7C00)
            throw new ArgumentException($"A scale or minimum is {(float)BitConverter.UInt16BitsToHalf(half)}; they must be finite.");
    }
}
