namespace KvChat.Kernels.Cpu;

/// <summary>Repacks rows of quantised weights.</summary>
internal static unsafe class PanelPacking<TPanel>
    where TPanel : struct, IPanelFormat
{
    private static int SuperBytes => TPanel.HeaderBytes + (TPanel.SuperBlocks * TPanel.BlockBytes);

    private static int SuperColumns => TPanel.SuperBlocks * PanelShape.Block;

    /// <summary>Bytes of a panel of that many columns.</summary>
    public static long PanelBytes(int columns) => (long)(columns / SuperColumns) * SuperBytes;

    /// <summary>Packs one row of the file into a zeroed panel.</summary>
    public static void PackRow(byte* source, byte* panel, int columns, int row)
    {
        for (int k = 0; k < columns; k += SuperColumns)
        {
            TPanel.Pack(source, panel, row);
            source += TPanel.SourceBytes;
            panel += SuperBytes;
        }
    }
}

/// <summary>Repacks rows of float weights.</summary>
internal static unsafe class FloatPacking<TWeights>
    where TWeights : struct, IFloatCodes
{
    /// <summary>Bytes of a panel of that many columns.</summary>
    public static long PanelBytes(int columns) => (long)columns * PanelShape.Rows * TWeights.Bytes;

    /// <summary>Copies one row of the file into a panel.</summary>
    public static void PackRow(byte* source, byte* panel, int columns, int row)
    {
        for (int k = 0; k < columns; k++)
        {
            byte* target = panel + (((k * (long)PanelShape.Rows) + row) * TWeights.Bytes);
            for (int b = 0; b < TWeights.Bytes; b++)
            {
                target[b] = source[(k * TWeights.Bytes) + b];
            }
        }
    }
}
