using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>How the scales of a block of 16 rows are stored. Members are those of <see cref="IPanelFormat"/>.</summary>
internal unsafe interface IPanelScales
{
    static abstract int SuperBlocks { get; }

    static abstract int HeaderBytes { get; }

    /// <summary>Bytes of a block's scales.</summary>
    static abstract int Bytes { get; }

    static abstract bool HasMinimum { get; }

    static abstract bool Halves { get; }

    static abstract TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract TFloat Scale<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract TFloat Minimum<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract float ScaleAt(byte* header, byte* scales, int row, int half);

    static abstract float MinimumAt(byte* header, byte* scales, int row, int half);

    static abstract void SetHeader(byte* header, int row, ushort scale, ushort minimum);

    static abstract void Set(byte* scales, int row, int half, int scale, int minimum);
}

/// <summary>Halves, 16 of a kind: the one place that knows how they lie.</summary>
internal static unsafe class HalfRows
{
    public const int Bytes = 16 * sizeof(ushort);

    public static float Get(byte* halves, int row) => (float)BitConverter.UInt16BitsToHalf(((ushort*)halves)[row]);

    public static void Set(byte* halves, int row, int bits) => ((ushort*)halves)[row] = (ushort)bits;
}

/// <summary>A half per row.</summary>
internal readonly unsafe struct HalfScales : IPanelScales
{
    public static int SuperBlocks => 1;

    public static int HeaderBytes => 0;

    public static int Bytes => HalfRows.Bytes;

    public static bool HasMinimum => false;

    public static bool Halves => false;

    public static TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    public static TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Scale<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)scales + lane);

    public static TFloat Minimum<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    public static float ScaleAt(byte* header, byte* scales, int row, int half) => HalfRows.Get(scales, row);

    public static float MinimumAt(byte* header, byte* scales, int row, int half) => 0;

    public static void SetHeader(byte* header, int row, ushort scale, ushort minimum)
    {
    }

    public static void Set(byte* scales, int row, int half, int scale, int minimum) => HalfRows.Set(scales, row, scale);
}

/// <summary>Two halves per row: scale and minimum.</summary>
internal readonly unsafe struct HalfScalesAndMinima : IPanelScales
{
    public static int SuperBlocks => 1;

    public static int HeaderBytes => 0;

    public static int Bytes => 2 * HalfRows.Bytes;

    public static bool HasMinimum => true;

    public static bool Halves => false;

    public static TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    public static TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Scale<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)scales + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Minimum<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)(scales + HalfRows.Bytes) + lane);

    public static float ScaleAt(byte* header, byte* scales, int row, int half) => HalfRows.Get(scales, row);

    public static float MinimumAt(byte* header, byte* scales, int row, int half) => HalfRows.Get(scales + HalfRows.Bytes, row);

    public static void SetHeader(byte* header, int row, ushort scale, ushort minimum)
    {
    }

    public static void Set(byte* scales, int row, int half, int scale, int minimum)
    {
        HalfRows.Set(scales, row, scale);
        HalfRows.Set(scales + HalfRows.Bytes, row, minimum);
    }
}

/// <summary>Under a header of 8 blocks with a half per row: a signed byte per row, and per half block where <typeparamref name="THalves"/> says so.</summary>
internal readonly unsafe struct SignedByteScales<THalves> : IPanelScales
    where THalves : struct, IFlag
{
    public static int SuperBlocks => 8;

    public static int HeaderBytes => HalfRows.Bytes;

    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => THalves.Value ? 32 : 16;
    }

    public static bool HasMinimum => false;

    public static bool Halves => THalves.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)header + lane);

    public static TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Scale<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.Multiply(header, TSimd.LoadSBytes(scales + (half * 16) + lane));

    public static TFloat Minimum<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => default;

    public static float ScaleAt(byte* header, byte* scales, int row, int half) => HalfRows.Get(header, row) * ((sbyte*)scales)[(half * 16) + row];

    public static float MinimumAt(byte* header, byte* scales, int row, int half) => 0;

    public static void SetHeader(byte* header, int row, ushort scale, ushort minimum) => HalfRows.Set(header, row, scale);

    public static void Set(byte* scales, int row, int half, int scale, int minimum) => scales[(half * 16) + row] = (byte)scale;
}

/// <summary>
/// Under a header of 8 blocks with two halves per row: two unsigned bytes per row, for scale and minimum, and per half block where
/// <typeparamref name="THalves"/> says so. Files take the minimum away; here its factor is stored with its sign turned, and it is added.
/// </summary>
internal readonly unsafe struct ByteScalesAndMinima<THalves> : IPanelScales
    where THalves : struct, IFlag
{
    private const int SignBit = 0x8000;

    public static int SuperBlocks => 8;

    public static int HeaderBytes => 2 * HalfRows.Bytes;

    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * MinimaAt;
    }

    public static bool HasMinimum => true;

    public static bool Halves => THalves.Value;

    private static int MinimaAt
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => THalves.Value ? 32 : 16;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat HeaderScale<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)header + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat HeaderMinimum<TSimd, TInt, TFloat>(byte* header, int lane)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf((ushort*)(header + HalfRows.Bytes) + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Scale<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.Multiply(header, TSimd.LoadBytes(scales + (half * 16) + lane));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Minimum<TSimd, TInt, TFloat>(byte* scales, int half, int lane, TFloat header)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.Multiply(header, TSimd.LoadBytes(scales + MinimaAt + (half * 16) + lane));

    public static float ScaleAt(byte* header, byte* scales, int row, int half) => HalfRows.Get(header, row) * scales[(half * 16) + row];

    public static float MinimumAt(byte* header, byte* scales, int row, int half) =>
        HalfRows.Get(header + HalfRows.Bytes, row) * scales[MinimaAt + (half * 16) + row];

    public static void SetHeader(byte* header, int row, ushort scale, ushort minimum)
    {
        HalfRows.Set(header, row, scale);
        HalfRows.Set(header + HalfRows.Bytes, row, minimum ^ SignBit);
    }

    public static void Set(byte* scales, int row, int half, int scale, int minimum)
    {
        scales[(half * 16) + row] = (byte)scale;
        scales[MinimaAt + (half * 16) + row] = (byte)minimum;
    }
}

/// <summary>A constant that the compiler of a generic kernel folds.</summary>
internal interface IFlag
{
    static abstract bool Value { get; }
}

/// <summary>Yes.</summary>
internal readonly struct Yes : IFlag
{
    public static bool Value => true;
}

/// <summary>No.</summary>
internal readonly struct No : IFlag
{
    public static bool Value => false;
}
