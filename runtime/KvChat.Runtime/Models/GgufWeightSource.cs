using KvChat.Kernels;
using KvChat.Runtime.Models.Gguf;

namespace KvChat.Runtime.Models;

/// <summary>Weights of a GGUF file.</summary>
/// <param name="file">The open file; it must outlive the source.</param>
public sealed class GgufWeightSource(GgufFile file) : IWeightSource
{
    /// <inheritdoc/>
    public bool Has(string name) => file.TryGetTensor(name, out _);

    /// <inheritdoc/>
    public unsafe MatrixData Matrix(string name, int rows, int columns, int pairedHeadDim = 0)
    {
        GgufTensor tensor = file.RequireTensor(name);
        if (tensor.Columns != columns || tensor.Rows != rows)
        {
            throw new ModelFileException(
                $"tensor {name}", tensor.FileOffset, $"has {tensor.Rows} rows of {tensor.Columns}; the model's metadata ask for {rows} rows of {columns}.");
        }

        return new MatrixData(tensor.Format, rows, columns, tensor.Data, pairedHeadDim);
    }

    /// <inheritdoc/>
    public float[] Vector(string name, int length)
    {
        GgufTensor tensor = file.RequireTensor(name);
        if (tensor.Columns != length || tensor.Rows != 1)
            throw new ModelFileException($"tensor {name}", tensor.FileOffset, $"has {tensor.Rows} x {tensor.Columns} numbers; the model's metadata ask for {length}.");
        return tensor.ToFloats();
    }
}
