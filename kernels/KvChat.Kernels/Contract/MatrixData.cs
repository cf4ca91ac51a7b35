using KvChat.Kernels.Quantization;

namespace KvChat.Kernels;

/// <summary>Weights in host memory as a model file has them: row-major, each row a whole number of blocks of the format.</summary>
public readonly unsafe struct MatrixData(WeightFormat format, int rows, int columns, byte* data, int pairedHeadDim = 0)
{
    /// <summary>Format of the blocks.</summary>
    public WeightFormat Format { get; } = format;

    /// <summary>Outputs.</summary>
    public int Rows { get; } = rows;

    /// <summary>Inputs.</summary>
    public int Columns { get; } = columns;

    /// <summary>First byte of the first row.</summary>
    public byte* Data { get; } = data;

    /// <summary>
    /// 0, or the head dimension of query or key rows whose rotary pairs are neighbours (2i, 2i+1), as GGUF files of the llama family have
    /// them. Such rows are brought into the halves order (i, i + d/2) while they are loaded, the only order that kernels know.
    /// </summary>
    public int PairedHeadDim { get; } = pairedHeadDim;

    /// <summary>Row of the source that becomes row <paramref name="row"/> of the loaded matrix.</summary>
    public int SourceRow(int row)
    {
        if (PairedHeadDim == 0)
            return row;
        int half = PairedHeadDim / 2, head = row / PairedHeadDim, at = row % PairedHeadDim;
        return (head * PairedHeadDim) + (at < half ? 2 * at : (2 * (at - half)) + 1);
    }
}
