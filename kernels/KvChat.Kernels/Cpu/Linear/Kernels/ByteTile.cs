using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>
/// Products of a panel of 16 rows with unsigned codes and a tile of 1, 4 or 8 activation columns in bytes: per block and column eight broadcasts
/// of four activations, eight multiplications of bytes whose sums stay in 16 bits as long as codes allow, then one fused multiply-add into the
/// column's accumulator, and one more for minima.
/// </summary>
/// <remarks>Accumulators are locals by name: arrays of vectors would live in memory.</remarks>
internal static unsafe class ByteTile<TSimd, TInt, TFloat, TPanel>
    where TSimd : struct, ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
    where TPanel : struct, IPanelFormat
{
    /// <summary>One column; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile1(byte* panel, int columns, byte* activations, float* output)
    {
        // What the inliner meets first is sure of its budget: a call left in the loop would spill every accumulator.
        int blockBytes = TPanel.BlockBytes;
        int lanes = TSimd.Lanes;
        int stride = (TPanel.Halves ? ActivationShape.ByteHalves : ActivationShape.Bytes) * 1;
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0);
            TFloat headerScale = default, headerMinimum = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    headerMinimum = TPanel.HeaderMinimum<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt w0 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w1 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w3 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w4 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                TInt w5 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                TInt w6 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                TInt w7 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                TFloat d0 = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                TFloat m0 = TPanel.Minimum<TSimd, TInt, TFloat>(at, 0, lane, headerMinimum);
                TFloat d1 = TPanel.Halves ? TPanel.Scale<TSimd, TInt, TFloat>(at, 1, lane, headerScale) : d0;
                TFloat m1 = TPanel.Halves ? TPanel.Minimum<TSimd, TInt, TFloat>(at, 1, lane, headerMinimum) : m0;
                c0 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 0, (float*)(block + 32) + 0, 1, c0);
                at += blockBytes;
                block += stride;
            }

            TSimd.Store(output + 0 + lane, c0);
        }
    }

    /// <summary>4 columns; results go to <paramref name="output"/>, <c>[4, 16]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tile4(byte* panel, int columns, byte* activations, float* output)
    {
        // What the inliner meets first is sure of its budget: a call left in the loop would spill every accumulator.
        int blockBytes = TPanel.BlockBytes;
        int lanes = TSimd.Lanes;
        int stride = (TPanel.Halves ? ActivationShape.ByteHalves : ActivationShape.Bytes) * 4;
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0), c1 = TSimd.Floats(0), c2 = TSimd.Floats(0), c3 = TSimd.Floats(0);
            TFloat headerScale = default, headerMinimum = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    headerMinimum = TPanel.HeaderMinimum<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt w0 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w1 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w3 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w4 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                TInt w5 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                TInt w6 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                TInt w7 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                TFloat d0 = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                TFloat m0 = TPanel.Minimum<TSimd, TInt, TFloat>(at, 0, lane, headerMinimum);
                TFloat d1 = TPanel.Halves ? TPanel.Scale<TSimd, TInt, TFloat>(at, 1, lane, headerScale) : d0;
                TFloat m1 = TPanel.Halves ? TPanel.Minimum<TSimd, TInt, TFloat>(at, 1, lane, headerMinimum) : m0;
                c0 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 0, (float*)(block + 128) + 0, 4, c0);
                c1 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 32, (float*)(block + 128) + 1, 4, c1);
                c2 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 64, (float*)(block + 128) + 2, 4, c2);
                c3 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 96, (float*)(block + 128) + 3, 4, c3);
                at += blockBytes;
                block += stride;
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
        // What the inliner meets first is sure of its budget: a call left in the loop would spill every accumulator.
        int blockBytes = TPanel.BlockBytes;
        int lanes = TSimd.Lanes;
        int stride = (TPanel.Halves ? ActivationShape.ByteHalves : ActivationShape.Bytes) * 8;
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0), c1 = TSimd.Floats(0), c2 = TSimd.Floats(0), c3 = TSimd.Floats(0), c4 = TSimd.Floats(0), c5 = TSimd.Floats(0), c6 = TSimd.Floats(0), c7 = TSimd.Floats(0);
            TFloat headerScale = default, headerMinimum = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    headerMinimum = TPanel.HeaderMinimum<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt w0 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w1 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w3 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w4 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                TInt w5 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                TInt w6 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                TInt w7 = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                TFloat d0 = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                TFloat m0 = TPanel.Minimum<TSimd, TInt, TFloat>(at, 0, lane, headerMinimum);
                TFloat d1 = TPanel.Halves ? TPanel.Scale<TSimd, TInt, TFloat>(at, 1, lane, headerScale) : d0;
                TFloat m1 = TPanel.Halves ? TPanel.Minimum<TSimd, TInt, TFloat>(at, 1, lane, headerMinimum) : m0;
                c0 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 0, (float*)(block + 256) + 0, 8, c0);
                c1 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 32, (float*)(block + 256) + 1, 8, c1);
                c2 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 64, (float*)(block + 256) + 2, 8, c2);
                c3 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 96, (float*)(block + 256) + 3, 8, c3);
                c4 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 128, (float*)(block + 256) + 4, 8, c4);
                c5 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 160, (float*)(block + 256) + 5, 8, c5);
                c6 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 192, (float*)(block + 256) + 6, 8, c6);
                c7 = Column(w0, w1, w2, w3, w4, w5, w6, w7, d0, m0, d1, m1, block + 224, (float*)(block + 256) + 7, 8, c7);
                at += blockBytes;
                block += stride;
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat Column(
        TInt w0, TInt w1, TInt w2, TInt w3, TInt w4, TInt w5, TInt w6, TInt w7, TFloat d0, TFloat m0, TFloat d1, TFloat m1,
        byte* codes, float* factors, int width, TFloat sum)
    {
        if (!TPanel.Halves)
        {
            TInt all = TPanel.MaxCode <= 15
                ? TSimd.Dot8(w0, w1, w2, w3, w4, w5, w6, w7, codes)
                : TSimd.Add32(TSimd.Dot4(w0, w1, w2, w3, codes), TSimd.Dot4(w4, w5, w6, w7, codes + 16));
            return Accumulate(all, d0, m0, factors, factors + width, factors + (2 * width), sum);
        }

        TInt first = TPanel.MaxCode <= 31 ? TSimd.Dot4(w0, w1, w2, w3, codes) : TSimd.Dot4Wide(w0, w1, w2, w3, codes);
        sum = Accumulate(first, d0, m0, factors, factors + width, factors + (2 * width), sum);
        TInt second = TPanel.MaxCode <= 31 ? TSimd.Dot4(w4, w5, w6, w7, codes + 16) : TSimd.Dot4Wide(w4, w5, w6, w7, codes + 16);
        return Accumulate(second, d1, m1, factors, factors + (3 * width), factors + (4 * width), sum);
    }

    // Activations bring their scale, its product with their sum, and -8 times their sum as an integer.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat Accumulate(TInt product, TFloat d, TFloat m, float* scale, float* scaledSum, float* minusEightSums, TFloat sum)
    {
        if (TPanel.Offset != 0)
        {
            TInt offset = TSimd.BroadcastInt(minusEightSums);
            product = TSimd.Add32(product, TPanel.Offset == 8 ? offset : TSimd.ShiftLeft(offset, TPanel.Offset == 16 ? 1 : 2));
        }

        sum = TSimd.Accumulate(product, d, scale, sum);
        return TPanel.HasMinimum ? TSimd.Fma(m, scaledSum, sum) : sum;
    }
}
