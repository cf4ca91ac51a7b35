using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>How a register of one coordinate of keys comes out of a page.</summary>
internal unsafe interface IKeyReader<TVector>
    where TVector : unmanaged
{
    /// <summary>Bytes that a pair of coordinates takes per slot.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Bytes from one slot to the next.</summary>
    static abstract int SlotBytes { get; }

    /// <summary>The pair's lower coordinate of the slots from an address on.</summary>
    static abstract TVector Lower(byte* keys, Vector128<sbyte> levels);

    /// <summary>The pair's upper coordinate of the same slots.</summary>
    static abstract TVector Upper(byte* keys, int slots, Vector128<sbyte> levels);
}

/// <summary>How four registers of coordinates of a value come out of a page.</summary>
internal unsafe interface IValueReader<TVector>
    where TVector : unmanaged
{
    /// <summary>Bytes of the four.</summary>
    static abstract int Bytes { get; }

    /// <summary>Coordinates from the first register to the second.</summary>
    static abstract int Second { get; }

    /// <summary>Coordinates from the first register to the third.</summary>
    static abstract int Third { get; }

    /// <summary>Coordinates from the first register to the fourth.</summary>
    static abstract int Fourth { get; }

    /// <summary>First coordinate at an offset in bytes.</summary>
    static abstract int Dimension(int offset);

    /// <summary>The first register.</summary>
    static abstract TVector Read0(byte* values);

    /// <summary>The second register.</summary>
    static abstract TVector Read1(byte* values);

    /// <summary>The third register.</summary>
    static abstract TVector Read2(byte* values);

    /// <summary>The fourth register.</summary>
    static abstract TVector Read3(byte* values);
}

/// <summary>BF16: two coordinates side by side.</summary>
internal readonly unsafe struct BrainKeys<TSimd, TVector> : IKeyReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int PairBytes => 4;

    /// <inheritdoc/>
    public static int SlotBytes => 4;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Lower(byte* keys, Vector128<sbyte> levels) => TSimd.BrainLower((uint*)keys);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Upper(byte* keys, int slots, Vector128<sbyte> levels) => TSimd.BrainUpper((uint*)keys);
}

/// <summary>8 bits: coordinates row after row.</summary>
internal readonly unsafe struct ByteKeys<TSimd, TVector> : IKeyReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int PairBytes => 2;

    /// <inheritdoc/>
    public static int SlotBytes => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Lower(byte* keys, Vector128<sbyte> levels) => TSimd.FromBytes(TSimd.LoadBytes(keys).AsSByte());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Upper(byte* keys, int slots, Vector128<sbyte> levels) => TSimd.FromBytes(TSimd.LoadBytes(keys + slots).AsSByte());
}

/// <summary>4 bits: two coordinates in a byte, each the number of a level.</summary>
internal readonly unsafe struct NibbleKeys<TSimd, TVector> : IKeyReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int PairBytes => 1;

    /// <inheritdoc/>
    public static int SlotBytes => 1;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Lower(byte* keys, Vector128<sbyte> levels) => TSimd.FromBytes(Codes.LowLevels(TSimd.LoadBytes(keys), levels));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Upper(byte* keys, int slots, Vector128<sbyte> levels) => TSimd.FromBytes(Codes.HighLevels(TSimd.LoadBytes(keys), levels));
}

/// <summary>BF16.</summary>
internal readonly unsafe struct BrainValues<TSimd, TVector> : IValueReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int Bytes => 8 * TSimd.Count;

    /// <inheritdoc/>
    public static int Second => TSimd.Count;

    /// <inheritdoc/>
    public static int Third => 2 * TSimd.Count;

    /// <inheritdoc/>
    public static int Fourth => 3 * TSimd.Count;

    /// <inheritdoc/>
    public static int Dimension(int offset) => offset / 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read0(byte* values) => TSimd.Brain((ushort*)values);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read1(byte* values) => TSimd.Brain((ushort*)values + TSimd.Count);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read2(byte* values) => TSimd.Brain((ushort*)values + (2 * TSimd.Count));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read3(byte* values) => TSimd.Brain((ushort*)values + (3 * TSimd.Count));
}

/// <summary>8 bits.</summary>
internal readonly unsafe struct ByteValues<TSimd, TVector> : IValueReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int Bytes => 4 * TSimd.Count;

    /// <inheritdoc/>
    public static int Second => TSimd.Count;

    /// <inheritdoc/>
    public static int Third => 2 * TSimd.Count;

    /// <inheritdoc/>
    public static int Fourth => 3 * TSimd.Count;

    /// <inheritdoc/>
    public static int Dimension(int offset) => offset;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read0(byte* values) => TSimd.FromBytes(TSimd.LoadBytes(values).AsSByte());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read1(byte* values) => TSimd.FromBytes(TSimd.LoadBytes(values + TSimd.Count).AsSByte());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read2(byte* values) => TSimd.FromBytes(TSimd.LoadBytes(values + (2 * TSimd.Count)).AsSByte());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read3(byte* values) => TSimd.FromBytes(TSimd.LoadBytes(values + (3 * TSimd.Count)).AsSByte());
}

/// <summary>4 bits: 16 bytes hold 32 coordinates, the upper 16 in the upper bits.</summary>
internal readonly unsafe struct NibbleValues<TSimd, TVector> : IValueReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int Bytes => 2 * TSimd.Count;

    /// <inheritdoc/>
    public static int Second => 16;

    /// <inheritdoc/>
    public static int Third => TSimd.Count == 16 ? 32 : TSimd.Count;

    /// <inheritdoc/>
    public static int Fourth => 16 + Third;

    /// <inheritdoc/>
    public static int Dimension(int offset) => (offset / 16 * 32) + (offset % 16);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read0(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 0, 15));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read1(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 4, 15));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read2(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values + TSimd.Count), 0, 15));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read3(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values + TSimd.Count), 4, 15));
}

/// <summary>2 bits: 16 bytes hold 64 coordinates, 16 in each pair of bits.</summary>
internal readonly unsafe struct QuarterValues<TSimd, TVector> : IValueReader<TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int Bytes => TSimd.Count;

    /// <inheritdoc/>
    public static int Second => 16;

    /// <inheritdoc/>
    public static int Third => 32;

    /// <inheritdoc/>
    public static int Fourth => 48;

    /// <inheritdoc/>
    public static int Dimension(int offset) => (offset / 16 * 64) + (offset % 16);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read0(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 0, 3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read1(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 2, 3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read2(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 4, 3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read3(byte* values) => TSimd.FromBytes(Codes.Part(TSimd.LoadBytes(values), 6, 3));
}
