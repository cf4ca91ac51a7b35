using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>How the codes of a block, 32 columns of 16 rows, are stored. Members are those of <see cref="IPanelFormat"/>.</summary>
internal unsafe interface IPanelCodes
{
    /// <summary>Bytes of a block's codes.</summary>
    static abstract int Bytes { get; }

    static abstract bool Signed { get; }

    static abstract int MaxCode { get; }

    static abstract TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract int Get(byte* block, int row, int column);

    /// <summary>Writes a code into zeroed memory.</summary>
    static abstract void Set(byte* block, int row, int column, int code);
}

/// <summary>Where the bits of a column are: in the vector of its group, or of two or four groups that share one.</summary>
internal static unsafe class CodePlanes
{
    /// <summary>Bytes of a vector of 16 rows by 4 columns.</summary>
    public const int Vector = 64;

    /// <summary>Four bits: vector <c>group % 4</c>, the low half for groups 0 to 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Nibbles<TSimd, TInt, TFloat>(byte* plane, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        TInt packed = TSimd.LoadInt(plane + (group % 4 * Vector));
        return TSimd.And(group < 4 ? packed : TSimd.ShiftRight(packed, 4), TSimd.Bytes(15));
    }

    /// <summary>Two bits of four groups per vector, brought to bits 4 and 5.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt HighPairs<TSimd, TInt, TFloat>(byte* plane, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        TInt packed = TSimd.LoadInt(plane + (group / 4 * Vector));
        int from = 2 * (group % 4);
        return TSimd.And(from < 4 ? TSimd.ShiftLeft(packed, 4 - from) : TSimd.ShiftRight(packed, from - 4), TSimd.Bytes(0x30));
    }

    /// <summary>One bit of all eight groups in one vector, brought to bit 4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt FifthBits<TSimd, TInt, TFloat>(byte* plane, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        TInt packed = TSimd.LoadInt(plane);
        return TSimd.And(group < 4 ? TSimd.ShiftLeft(packed, 4 - group) : TSimd.ShiftRight(packed, group - 4), TSimd.Bytes(0x10));
    }

    /// <summary>Byte of a column within its group's vector.</summary>
    public static int At(int row, int column) => (row * 4) + (column % 4);

    public static int GetNibble(byte* plane, int row, int column)
    {
        int group = column / 4;
        return (plane[(group % 4 * Vector) + At(row, column)] >> (group < 4 ? 0 : 4)) & 15;
    }

    public static void SetNibble(byte* plane, int row, int column, int code)
    {
        int group = column / 4;
        plane[(group % 4 * Vector) + At(row, column)] |= (byte)((code & 15) << (group < 4 ? 0 : 4));
    }

    public static int GetPair(byte* plane, int row, int column)
    {
        int group = column / 4;
        return (plane[(group / 4 * Vector) + At(row, column)] >> (2 * (group % 4))) & 3;
    }

    public static void SetPair(byte* plane, int row, int column, int code)
    {
        int group = column / 4;
        plane[(group / 4 * Vector) + At(row, column)] |= (byte)((code & 3) << (2 * (group % 4)));
    }
}

/// <summary>Four bits.</summary>
internal readonly unsafe struct FourBitCodes : IPanelCodes
{
    public static int Bytes => 4 * CodePlanes.Vector;

    public static bool Signed => false;

    public static int MaxCode => 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => CodePlanes.Nibbles<TSimd, TInt, TFloat>(block, group);

    public static int Get(byte* block, int row, int column) => CodePlanes.GetNibble(block, row, column);

    public static void Set(byte* block, int row, int column, int code) => CodePlanes.SetNibble(block, row, column, code);
}

/// <summary>Two bits.</summary>
internal readonly unsafe struct TwoBitCodes : IPanelCodes
{
    public static int Bytes => 2 * CodePlanes.Vector;

    public static bool Signed => false;

    public static int MaxCode => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct
    {
        TInt packed = TSimd.LoadInt(block + (group / 4 * CodePlanes.Vector));
        return TSimd.And(TSimd.ShiftRight(packed, 2 * (group % 4)), TSimd.Bytes(3));
    }

    public static int Get(byte* block, int row, int column) => CodePlanes.GetPair(block, row, column);

    public static void Set(byte* block, int row, int column, int code) => CodePlanes.SetPair(block, row, column, code);
}

/// <summary>Five bits: a plane of four, then a plane of one.</summary>
internal readonly unsafe struct FiveBitCodes : IPanelCodes
{
    private const int High = 4 * CodePlanes.Vector;

    public static int Bytes => 5 * CodePlanes.Vector;

    public static bool Signed => false;

    public static int MaxCode => 31;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct =>
        TSimd.Or(CodePlanes.Nibbles<TSimd, TInt, TFloat>(block, group), CodePlanes.FifthBits<TSimd, TInt, TFloat>(block + High, group));

    public static int Get(byte* block, int row, int column) =>
        CodePlanes.GetNibble(block, row, column) | (((block[High + CodePlanes.At(row, column)] >> (column / 4)) & 1) << 4);

    public static void Set(byte* block, int row, int column, int code)
    {
        CodePlanes.SetNibble(block, row, column, code);
        block[High + CodePlanes.At(row, column)] |= (byte)((code >> 4) << (column / 4));
    }
}

/// <summary>Six bits: a plane of four, then a plane of two.</summary>
internal readonly unsafe struct SixBitCodes : IPanelCodes
{
    private const int High = 4 * CodePlanes.Vector;

    public static int Bytes => 6 * CodePlanes.Vector;

    public static bool Signed => false;

    public static int MaxCode => 63;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct =>
        TSimd.Or(CodePlanes.Nibbles<TSimd, TInt, TFloat>(block, group), CodePlanes.HighPairs<TSimd, TInt, TFloat>(block + High, group));

    public static int Get(byte* block, int row, int column) =>
        CodePlanes.GetNibble(block, row, column) | (CodePlanes.GetPair(block + High, row, column) << 4);

    public static void Set(byte* block, int row, int column, int code)
    {
        CodePlanes.SetNibble(block, row, column, code);
        CodePlanes.SetPair(block + High, row, column, code >> 4);
    }
}

/// <summary>Signed bytes.</summary>
internal readonly unsafe struct ByteCodes : IPanelCodes
{
    public static int Bytes => 8 * CodePlanes.Vector;

    public static bool Signed => true;

    public static int MaxCode => 127;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadInt(block + (group * CodePlanes.Vector));

    public static int Get(byte* block, int row, int column) => (sbyte)block[(column / 4 * CodePlanes.Vector) + CodePlanes.At(row, column)];

    public static void Set(byte* block, int row, int column, int code) =>
        block[(column / 4 * CodePlanes.Vector) + CodePlanes.At(row, column)] = (byte)code;
}

/// <summary>Four bits that stand for the 16 uneven steps of <see cref="Dequantizer.NonlinearSteps"/>.</summary>
internal readonly unsafe struct StepCodes : IPanelCodes
{
    public static int Bytes => 4 * CodePlanes.Vector;

    public static bool Signed => true;

    public static int MaxCode => 127;

    // The span's bytes lie in the assembly's image: they have an address and never move.
    private static sbyte* Steps
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (sbyte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Dequantizer.NonlinearSteps));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Load<TSimd, TInt, TFloat>(byte* block, int group)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LookUp(Steps, CodePlanes.Nibbles<TSimd, TInt, TFloat>(block, group));

    public static int Get(byte* block, int row, int column) => Steps[CodePlanes.GetNibble(block, row, column)];

    public static void Set(byte* block, int row, int column, int code) => CodePlanes.SetNibble(block, row, column, code);
}
