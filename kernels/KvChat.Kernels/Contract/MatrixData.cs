using KvChat.Kernels.Quantization;

namespace KvChat.Kernels;

/// <summary>Weights as a model file has them, row-major, each row a whole number of blocks of the format: in host memory, or to be generated where they are needed.</summary>
public readonly unsafe struct MatrixData
{
    /// <summary>Weights in host memory.</summary>
    /// <param name="format">Format of the blocks.</param>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="data">First byte of the first row.</param>
    /// <param name="pairedHeadDim">See <see cref="PairedHeadDim"/>.</param>
    public MatrixData(WeightFormat format, int rows, int columns, byte* data, int pairedHeadDim = 0)
    {
        (Format, Rows, Columns, PairedHeadDim) = (format, rows, columns, pairedHeadDim);
        Data = data;
    }

    /// <summary>Weights that the back end makes.</summary>
    /// <param name="format">Format of the blocks.</param>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="generated">Which ones.</param>
    /// <exception cref="ArgumentException">There are none in this format, or of this deviation.</exception>
    public MatrixData(WeightFormat format, int rows, int columns, GeneratedWeights generated)
    {
        generated.Check(format);
        (Format, Rows, Columns) = (format, rows, columns);
        Generated = generated;
    }

    /// <summary>Format of the blocks.</summary>
    public WeightFormat Format { get; }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs.</summary>
    public int Columns { get; }

    /// <summary>First byte of the first row; null where the weights are generated.</summary>
    public byte* Data { get; }

    /// <summary>What the back end makes; null where the weights are in host memory.</summary>
    public GeneratedWeights? Generated { get; }

    /// <summary>
    /// 0, or the head dimension of query or key rows whose rotary pairs are neighbours (2i, 2i+1), as GGUF files of the llama family have
    /// them. Such rows are brought into the halves order (i, i + d/2) while they are loaded, the only order that kernels know.
    /// </summary>
    public int PairedHeadDim { get; }

    /// <summary>Row of the source that becomes row <paramref name="row"/> of the loaded matrix.</summary>
    public int SourceRow(int row)
    {
        if (PairedHeadDim == 0)
            return row;
        int half = PairedHeadDim / 2, head = row / PairedHeadDim, at = row % PairedHeadDim;
        return (head * PairedHeadDim) + (at < half ? 2 * at : (2 * (at - half)) + 1);
    }

    /// <summary>Some of the rows, which follow each other.</summary>
    /// <param name="first">First row.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="pairedHeadDim">See <see cref="PairedHeadDim"/>; generated weights have no order, and stay as they are.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many rows.</exception>
    public MatrixData Slice(int first, int rows, int pairedHeadDim = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, Rows - first);
        return Generated is { } generated
            ? new MatrixData(Format, rows, Columns, generated with { FirstBlock = generated.FirstBlock + ((long)first * Columns / WeightFormats.BlockSize(Format)) })
            : new MatrixData(Format, rows, Columns, Data + (first * WeightFormats.RowBytes(Format, Columns)), pairedHeadDim);
    }
}
