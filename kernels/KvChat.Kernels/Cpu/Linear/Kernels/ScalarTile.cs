namespace KvChat.Kernels.Cpu;

/// <summary>
/// The reference for all tiles of quantised panels: plain loops over rows, columns and blocks that say what each result is. Vector kernels
/// give the same bits.
/// </summary>
internal static unsafe class ScalarTile<TPanel>
    where TPanel : struct, IPanelFormat
{
    /// <summary>One column of quantised activations; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    public static void Tile1(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 1);

    /// <summary>4 columns.</summary>
    public static void Tile4(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 4);

    /// <summary>8 columns.</summary>
    public static void Tile8(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 8);

    /// <summary>One column of fp32 activations; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    public static void Float1(byte* panel, int columns, byte* activations, float* output) => Float(panel, columns, activations, output, 1);

    /// <summary>4 columns.</summary>
    public static void Float4(byte* panel, int columns, byte* activations, float* output) => Float(panel, columns, activations, output, 4);

    /// <summary>8 columns.</summary>
    public static void Float8(byte* panel, int columns, byte* activations, float* output) => Float(panel, columns, activations, output, 8);

    /// <summary>Decodes a row of a panel to fp32, as the file's format defines it.</summary>
    public static void DecodeRow(byte* panel, int columns, int row, float* output)
    {
        for (int k = 0; k < columns; k++)
        {
            Locate(panel, k, out byte* header, out byte* block);
            output[k] = Weight(header, block, row, k % PanelShape.Block);
        }
    }

    private static void Tile(byte* panel, int columns, byte* activations, float* output, int width)
    {
        for (int row = 0; row < PanelShape.Rows; row++)
        {
            for (int i = 0; i < width; i++)
            {
                output[(i * PanelShape.Rows) + row] = Chain(panel, columns, activations, row, i, width);
            }
        }
    }

    private static float Chain(byte* panel, int columns, byte* activations, int row, int column, int width)
    {
        int codeBytes = TPanel.Signed ? 64 : 32;
        int recordBytes = width * (TPanel.Signed ? ActivationShape.Words : TPanel.Halves ? ActivationShape.ByteHalves : ActivationShape.Bytes);
        int halves = TPanel.Halves ? 2 : 1;
        float sum = 0;
        for (int b = 0; b < columns / PanelShape.Block; b++, activations += recordBytes)
        {
            Locate(panel, b * PanelShape.Block, out byte* header, out byte* block);
            float* factors = (float*)(activations + (codeBytes * width)) + column;
            for (int half = 0; half < halves; half++)
            {
                int product = 0;
                for (int k = half * 16; k < (half + 1) * PanelShape.Block / halves; k++)
                {
                    product += TPanel.CodeAt(block, row, k) * Activation(activations + (codeBytes * column), k);
                }

                sum = MathF.FusedMultiplyAdd(product, TPanel.ScaleAt(header, block, row, half) * factors[0], sum);
                if (TPanel.HasMinimum)
                    sum = MathF.FusedMultiplyAdd(TPanel.MinimumAt(header, block, row, half), factors[(1 + (2 * half)) * width], sum);
            }
        }

        return sum;
    }

    private static int Activation(byte* codes, int k) => TPanel.Signed ? ((short*)codes)[WordOrder.Of(k)] : ((sbyte*)codes)[k];

    private static void Float(byte* panel, int columns, byte* activations, float* output, int width)
    {
        new Span<float>(output, width * PanelShape.Rows).Clear();
        for (int k = 0; k < columns; k++)
        {
            Locate(panel, k, out byte* header, out byte* block);
            for (int row = 0; row < PanelShape.Rows; row++)
            {
                float weight = Weight(header, block, row, k % PanelShape.Block);
                for (int i = 0; i < width; i++)
                {
                    float* sum = output + (i * PanelShape.Rows) + row;
                    *sum = MathF.FusedMultiplyAdd(weight, ((float*)activations)[(k * width) + i], *sum);
                }
            }
        }
    }

    private static float Weight(byte* header, byte* block, int row, int column)
    {
        int half = TPanel.Halves ? column / 16 : 0;
        float weight = TPanel.ScaleAt(header, block, row, half) * TPanel.CodeAt(block, row, column);
        return TPanel.HasMinimum ? weight + TPanel.MinimumAt(header, block, row, half) : weight;
    }

    private static void Locate(byte* panel, int column, out byte* header, out byte* block)
    {
        int index = column / PanelShape.Block;
        header = panel + ((long)(index / TPanel.SuperBlocks) * (TPanel.HeaderBytes + (TPanel.SuperBlocks * TPanel.BlockBytes)));
        block = header + TPanel.HeaderBytes + (index % TPanel.SuperBlocks * TPanel.BlockBytes);
    }
}

/// <summary>The order of 16-bit activations: of each four, 0 and 2 before 1 and 3, as codes are widened most cheaply.</summary>
internal static class WordOrder
{
    /// <summary>The same as an operand of a shuffle of four: 0, 2, 1, 3.</summary>
    public const byte Shuffle = 0b11_01_10_00;

    /// <summary>Where column <paramref name="k"/> of a block stands.</summary>
    public static int Of(int k) => (k & ~3) | ((k & 1) << 1) | ((k >> 1) & 1);
}

/// <summary>The reference for tiles of float panels.</summary>
internal static unsafe class ScalarFloatTile<TWeights>
    where TWeights : struct, IFloatCodes
{
    /// <summary>One column; results go to <paramref name="output"/>, <c>[1, 16]</c>.</summary>
    public static void Tile1(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 1);

    /// <summary>4 columns.</summary>
    public static void Tile4(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 4);

    /// <summary>8 columns.</summary>
    public static void Tile8(byte* panel, int columns, byte* activations, float* output) => Tile(panel, columns, activations, output, 8);

    /// <summary>Decodes a row of a panel to fp32.</summary>
    public static void DecodeRow(byte* panel, int columns, int row, float* output)
    {
        for (int k = 0; k < columns; k++)
        {
            output[k] = TWeights.Get(panel + (((k * (long)PanelShape.Rows) + row) * TWeights.Bytes));
        }
    }

    private static void Tile(byte* panel, int columns, byte* activations, float* output, int width)
    {
        new Span<float>(output, width * PanelShape.Rows).Clear();
        for (int k = 0; k < columns; k++)
        {
            for (int row = 0; row < PanelShape.Rows; row++)
            {
                float weight = TWeights.Get(panel + (((k * (long)PanelShape.Rows) + row) * TWeights.Bytes));
                for (int i = 0; i < width; i++)
                {
                    float* sum = output + (i * PanelShape.Rows) + row;
                    *sum = MathF.FusedMultiplyAdd(weight, ((float*)activations)[(k * width) + i], *sum);
                }
            }
        }
    }
}
