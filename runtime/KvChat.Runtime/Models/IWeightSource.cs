using KvChat.Kernels;

namespace KvChat.Runtime.Models;

/// <summary>Weights of a model file by name, whatever the file's format.</summary>
public interface IWeightSource
{
    /// <summary>Whether the file has this tensor.</summary>
    bool Has(string name);

    /// <summary>A matrix, checked to have the given shape.</summary>
    /// <param name="name">Name in the file.</param>
    /// <param name="rows">Outputs that the configuration asks for.</param>
    /// <param name="columns">Inputs that the configuration asks for.</param>
    /// <param name="pairedHeadDim">See <see cref="MatrixData.PairedHeadDim"/>.</param>
    /// <exception cref="ModelFileException">The tensor is missing, or has another shape or a format that is not supported.</exception>
    MatrixData Matrix(string name, int rows, int columns, int pairedHeadDim = 0);

    /// <summary>A vector as fp32, checked to have the given length.</summary>
    /// <exception cref="ModelFileException">The tensor is missing, or has another length or a format that is not supported.</exception>
    float[] Vector(string name, int length);
}
