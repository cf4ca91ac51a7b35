using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>
/// Products of quantised panels with fp32 activations: a run of columns is decoded to fp32, exactly as the file format defines it, and handed to
/// <see cref="FloatTile{TSimd, TInt, TFloat, TWeights}"/>.
/// </summary>
internal static unsafe class DequantizedTile<TSimd, TInt, TFloat, TPanel>
    where TSimd : struct, ISimd<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
    where TPanel : struct, IPanelFormat
{
    // 256 columns of 16 floats: half of the smallest first-level cache. A multiple of every header's columns.
    private const int Run = 256;

    /// <summary>One column; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    public static void Tile1(byte* panel, int columns, byte* activations, float* output) =>
        Tile(panel, columns, activations, output, 1, &FloatTile<TSimd, TInt, TFloat, SingleWeights>.Continue1);

    /// <summary>4 columns; results go to <paramref name="output"/>, <c>[4, 16]</c>.</summary>
    public static void Tile4(byte* panel, int columns, byte* activations, float* output) =>
        Tile(panel, columns, activations, output, 4, &FloatTile<TSimd, TInt, TFloat, SingleWeights>.Continue4);

    /// <summary>8 columns; results go to <paramref name="output"/>, <c>[8, 16]</c>.</summary>
    public static void Tile8(byte* panel, int columns, byte* activations, float* output) =>
        Tile(panel, columns, activations, output, 8, &FloatTile<TSimd, TInt, TFloat, SingleWeights>.Continue8);

    [SkipLocalsInit]
    private static void Tile(
        byte* panel, int columns, byte* activations, float* output, int width, delegate*<byte*, int, byte*, float*, void> multiply)
    {
        float* weights = stackalloc float[Run * PanelShape.Rows];
        new Span<float>(output, width * PanelShape.Rows).Clear();
        for (int done = 0; done < columns; done += Run)
        {
            int count = Math.Min(Run, columns - done);
            panel = Decode(panel, count, weights);
            multiply((byte*)weights, count, activations, output);
            activations += (long)count * width * sizeof(float);
        }
    }

    private static byte* Decode(byte* panel, int columns, float* weights)
    {
        byte* header = panel;
        for (int b = 0; b < columns / PanelShape.Block; b++)
        {
            if (TPanel.HeaderBytes != 0 && b % TPanel.SuperBlocks == 0)
            {
                header = panel;
                panel += TPanel.HeaderBytes;
            }

            for (int lane = 0; lane < PanelShape.Rows; lane += TSimd.Lanes)
            {
                DecodeBlock(header, panel, lane, weights + (b * PanelShape.Block * PanelShape.Rows) + lane);
            }

            panel += TPanel.BlockBytes;
        }

        return panel;
    }

    private static void DecodeBlock(byte* header, byte* block, int lane, float* weights)
    {
        TFloat headerScale = TPanel.HeaderScale<TSimd, TInt, TFloat>(header, lane);
        TFloat headerMinimum = TPanel.HeaderMinimum<TSimd, TInt, TFloat>(header, lane);
        for (int group = 0; group < 8; group++)
        {
            int half = TPanel.Halves ? group / 4 : 0;
            TFloat scale = TPanel.Scale<TSimd, TInt, TFloat>(block, half, lane, headerScale);
            TFloat minimum = TPanel.Minimum<TSimd, TInt, TFloat>(block, half, lane, headerMinimum);
            TInt codes = TPanel.Codes<TSimd, TInt, TFloat>(block + (lane * 4), group);
            for (int j = 0; j < 4; j++)
            {
                TFloat weight = TSimd.Multiply(scale, TSimd.ToFloat(Code(codes, j)));
                if (TPanel.HasMinimum)
                    weight = TSimd.Add(weight, minimum);
                TSimd.Store(weights + (((group * 4) + j) * PanelShape.Rows), weight);
            }
        }
    }

    private static TInt Code(TInt codes, int index) => TPanel.Signed
        ? TSimd.ShiftRightSigned(TSimd.ShiftLeft(codes, 24 - (8 * index)), 24)
        : TSimd.Add32(TSimd.And(TSimd.ShiftRight(codes, 8 * index), TSimd.Ints(255)), TSimd.Ints(-TPanel.Offset));
}
