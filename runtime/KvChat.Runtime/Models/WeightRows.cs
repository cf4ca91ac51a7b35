using KvChat.Kernels;

namespace KvChat.Runtime.Models;

/// <summary>Rows of tensors that hold several matrices behind each other.</summary>
internal static class WeightRows
{
    /// <summary>Some rows of a tensor as a matrix.</summary>
    /// <param name="source">The file.</param>
    /// <param name="name">Name in the file.</param>
    /// <param name="totalRows">Rows of the whole tensor, which are checked.</param>
    /// <param name="columns">Inputs, which are checked.</param>
    /// <param name="first">First row.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="pairedHeadDim">See <see cref="MatrixData.PairedHeadDim"/>.</param>
    public static MatrixData Rows(this IWeightSource source, string name, int totalRows, int columns, int first, int rows, int pairedHeadDim = 0) =>
        source.Matrix(name, totalRows, columns).Slice(first, rows, pairedHeadDim);
}
