using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>How 16 weights of a column are read as fp32.</summary>
internal unsafe interface IFloatCodes
{
    /// <summary>Bytes of a weight.</summary>
    static abstract int Bytes { get; }

    static abstract TFloat Load<TSimd, TInt, TFloat>(byte* source)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct;

    static abstract float Get(byte* source);
}

/// <summary>fp32.</summary>
internal readonly unsafe struct SingleWeights : IFloatCodes
{
    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Load<TSimd, TInt, TFloat>(byte* source)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.Load((float*)source);

    public static float Get(byte* source) => *(float*)source;
}

/// <summary>Halves.</summary>
internal readonly unsafe struct HalfWeights : IFloatCodes
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Load<TSimd, TInt, TFloat>(byte* source)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadHalf(source);

    public static float Get(byte* source) => (float)BitConverter.UInt16BitsToHalf(*(ushort*)source);
}

/// <summary>The upper halves of floats.</summary>
internal readonly unsafe struct BFloat16Weights : IFloatCodes
{
    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloat Load<TSimd, TInt, TFloat>(byte* source)
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => TSimd.LoadBFloat16(source);

    public static float Get(byte* source) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)source << 16);
}

/// <summary>
/// Products of a panel of 16 rows, column after column as <c>[columns, 16]</c>, and a tile of 1, 4 or 8 activation columns in fp32,
/// <c>[columns, tile]</c>: a fused multiply-add per weight column.
/// </summary>
internal static unsafe class FloatTile<TSimd, TInt, TFloat, TWeights>
    where TSimd : struct, ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
    where TWeights : struct, IFloatCodes
{
    /// <summary>One column; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile1(byte* panel, int columns, byte* activations, float* output)
    {
        new Span<float>(output, 1 * PanelShape.Rows).Clear();
        Continue1(panel, columns, activations, output);
    }

    /// <summary>The same, going on from the sums in <paramref name="output"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Continue1(byte* panel, int columns, byte* activations, float* output)
    {
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            byte* at = panel + (lane * TWeights.Bytes);
            float* a = (float*)activations;
            TFloat c0 = TSimd.Load(output + 0 + lane);
            for (int k = 0; k < columns; k++)
            {
                TFloat w = TWeights.Load<TSimd, TInt, TFloat>(at);
                c0 = TSimd.Fma(w, a + 0, c0);
                at += TWeights.Bytes * PanelShape.Rows;
                a += 1;
            }

            TSimd.Store(output + 0 + lane, c0);
        }
    }

    /// <summary>4 columns; results go to <paramref name="output"/>, <c>[4, 16]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile4(byte* panel, int columns, byte* activations, float* output)
    {
        new Span<float>(output, 4 * PanelShape.Rows).Clear();
        Continue4(panel, columns, activations, output);
    }

    /// <summary>The same, going on from the sums in <paramref name="output"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Continue4(byte* panel, int columns, byte* activations, float* output)
    {
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            byte* at = panel + (lane * TWeights.Bytes);
            float* a = (float*)activations;
            TFloat c0 = TSimd.Load(output + 0 + lane);
            TFloat c1 = TSimd.Load(output + 16 + lane);
            TFloat c2 = TSimd.Load(output + 32 + lane);
            TFloat c3 = TSimd.Load(output + 48 + lane);
            for (int k = 0; k < columns; k++)
            {
                TFloat w = TWeights.Load<TSimd, TInt, TFloat>(at);
                c0 = TSimd.Fma(w, a + 0, c0);
                c1 = TSimd.Fma(w, a + 1, c1);
                c2 = TSimd.Fma(w, a + 2, c2);
                c3 = TSimd.Fma(w, a + 3, c3);
                at += TWeights.Bytes * PanelShape.Rows;
                a += 4;
            }

            TSimd.Store(output + 0 + lane, c0);
            TSimd.Store(output + 16 + lane, c1);
            TSimd.Store(output + 32 + lane, c2);
            TSimd.Store(output + 48 + lane, c3);
        }
    }

    /// <summary>8 columns; results go to <paramref name="output"/>, <c>[8, 16]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile8(byte* panel, int columns, byte* activations, float* output)
    {
        new Span<float>(output, 8 * PanelShape.Rows).Clear();
        Continue8(panel, columns, activations, output);
    }

    /// <summary>The same, going on from the sums in <paramref name="output"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Continue8(byte* panel, int columns, byte* activations, float* output)
    {
        for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
        {
            byte* at = panel + (lane * TWeights.Bytes);
            float* a = (float*)activations;
            TFloat c0 = TSimd.Load(output + 0 + lane);
            TFloat c1 = TSimd.Load(output + 16 + lane);
            TFloat c2 = TSimd.Load(output + 32 + lane);
            TFloat c3 = TSimd.Load(output + 48 + lane);
            TFloat c4 = TSimd.Load(output + 64 + lane);
            TFloat c5 = TSimd.Load(output + 80 + lane);
            TFloat c6 = TSimd.Load(output + 96 + lane);
            TFloat c7 = TSimd.Load(output + 112 + lane);
            for (int k = 0; k < columns; k++)
            {
                TFloat w = TWeights.Load<TSimd, TInt, TFloat>(at);
                c0 = TSimd.Fma(w, a + 0, c0);
                c1 = TSimd.Fma(w, a + 1, c1);
                c2 = TSimd.Fma(w, a + 2, c2);
                c3 = TSimd.Fma(w, a + 3, c3);
                c4 = TSimd.Fma(w, a + 4, c4);
                c5 = TSimd.Fma(w, a + 5, c5);
                c6 = TSimd.Fma(w, a + 6, c6);
                c7 = TSimd.Fma(w, a + 7, c7);
                at += TWeights.Bytes * PanelShape.Rows;
                a += 8;
            }

            TSimd.Store(output + 0 + lane, c0);
            TSimd.Store(output + 16 + lane, c1);
            TSimd.Store(output + 32 + lane, c2);
            TSimd.Store(output + 48 + lane, c3);
            TSimd.Store(output + 64 + lane, c4);
            TSimd.Store(output + 80 + lane, c5);
            TSimd.Store(output + 96 + lane, c6);
            TSimd.Store(output + 112 + lane, c7);
        }
    }
}
