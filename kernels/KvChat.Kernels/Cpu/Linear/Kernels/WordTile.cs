using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>
/// Products of a panel of 16 rows with signed codes of up to 8 bits and a tile of 1, 4 or 8 activation columns. Sums of two such products
/// overflow 16 bits, so codes are widened to 16 bits and multiplied in pairs, half a block at a time for want of registers.
/// </summary>
internal static unsafe class WordTile<TSimd, TInt, TFloat, TPanel>
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
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0);
            TFloat headerScale = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt i0 = TSimd.Ints(0);
                TInt packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w0 = Even(packed);
                TInt w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = Even(packed);
                TInt w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w4 = Even(packed);
                TInt w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w6 = Even(packed);
                TInt w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 0, i0);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                w0 = Even(packed);
                w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                w2 = Even(packed);
                w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                w4 = Even(packed);
                w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                w6 = Even(packed);
                w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 32, i0);
                TFloat d = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                c0 = TSimd.Accumulate(i0, d, (float*)(block + 64) + 0, c0);
                at += blockBytes;
                block += ActivationShape.Words * 1;
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
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0), c1 = TSimd.Floats(0), c2 = TSimd.Floats(0), c3 = TSimd.Floats(0);
            TFloat headerScale = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt i0 = TSimd.Ints(0), i1 = TSimd.Ints(0), i2 = TSimd.Ints(0), i3 = TSimd.Ints(0);
                TInt packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w0 = Even(packed);
                TInt w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = Even(packed);
                TInt w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w4 = Even(packed);
                TInt w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w6 = Even(packed);
                TInt w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 0, i0);
                i1 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 64, i1);
                i2 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 128, i2);
                i3 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 192, i3);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                w0 = Even(packed);
                w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                w2 = Even(packed);
                w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                w4 = Even(packed);
                w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                w6 = Even(packed);
                w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 32, i0);
                i1 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 96, i1);
                i2 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 160, i2);
                i3 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 224, i3);
                TFloat d = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                c0 = TSimd.Accumulate(i0, d, (float*)(block + 256) + 0, c0);
                c1 = TSimd.Accumulate(i1, d, (float*)(block + 256) + 1, c1);
                c2 = TSimd.Accumulate(i2, d, (float*)(block + 256) + 2, c2);
                c3 = TSimd.Accumulate(i3, d, (float*)(block + 256) + 3, c3);
                at += blockBytes;
                block += ActivationShape.Words * 4;
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
        int blocks = columns / PanelShape.Block;
        for (int lane = 0; lane < PanelShape.Rows; lane += lanes)
        {
            byte* at = panel;
            byte* block = activations;
            TFloat c0 = TSimd.Floats(0), c1 = TSimd.Floats(0), c2 = TSimd.Floats(0), c3 = TSimd.Floats(0), c4 = TSimd.Floats(0), c5 = TSimd.Floats(0), c6 = TSimd.Floats(0), c7 = TSimd.Floats(0);
            TFloat headerScale = default;
            for (int b = 0; b < blocks; b++)
            {
                if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
                {
                    headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(at, lane);
                    at += TPanel.HeaderBytes;
                }

                byte* codes = at + (lane * 4);
                TInt i0 = TSimd.Ints(0), i1 = TSimd.Ints(0), i2 = TSimd.Ints(0), i3 = TSimd.Ints(0), i4 = TSimd.Ints(0), i5 = TSimd.Ints(0), i6 = TSimd.Ints(0), i7 = TSimd.Ints(0);
                TInt packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 0);
                TInt w0 = Even(packed);
                TInt w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 1);
                TInt w2 = Even(packed);
                TInt w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 2);
                TInt w4 = Even(packed);
                TInt w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 3);
                TInt w6 = Even(packed);
                TInt w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 0, i0);
                i1 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 64, i1);
                i2 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 128, i2);
                i3 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 192, i3);
                i4 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 256, i4);
                i5 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 320, i5);
                i6 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 384, i6);
                i7 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 448, i7);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 4);
                w0 = Even(packed);
                w1 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 5);
                w2 = Even(packed);
                w3 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 6);
                w4 = Even(packed);
                w5 = Odd(packed);
                packed = TPanel.Codes<TSimd, TInt, TFloat>(codes, 7);
                w6 = Even(packed);
                w7 = Odd(packed);
                i0 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 32, i0);
                i1 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 96, i1);
                i2 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 160, i2);
                i3 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 224, i3);
                i4 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 288, i4);
                i5 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 352, i5);
                i6 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 416, i6);
                i7 = TSimd.DotWords(w0, w1, w2, w3, w4, w5, w6, w7, block + 480, i7);
                TFloat d = TPanel.Scale<TSimd, TInt, TFloat>(at, 0, lane, headerScale);
                c0 = TSimd.Accumulate(i0, d, (float*)(block + 512) + 0, c0);
                c1 = TSimd.Accumulate(i1, d, (float*)(block + 512) + 1, c1);
                c2 = TSimd.Accumulate(i2, d, (float*)(block + 512) + 2, c2);
                c3 = TSimd.Accumulate(i3, d, (float*)(block + 512) + 3, c3);
                c4 = TSimd.Accumulate(i4, d, (float*)(block + 512) + 4, c4);
                c5 = TSimd.Accumulate(i5, d, (float*)(block + 512) + 5, c5);
                c6 = TSimd.Accumulate(i6, d, (float*)(block + 512) + 6, c6);
                c7 = TSimd.Accumulate(i7, d, (float*)(block + 512) + 7, c7);
                at += blockBytes;
                block += ActivationShape.Words * 8;
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

    // Of four neighbouring columns, numbers 0 and 2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TInt Even(TInt codes) => TSimd.ShiftRightSigned16(TSimd.ShiftLeft16(codes, 8), 8);

    // Numbers 1 and 3.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TInt Odd(TInt codes) => TSimd.ShiftRightSigned16(codes, 8);
}
