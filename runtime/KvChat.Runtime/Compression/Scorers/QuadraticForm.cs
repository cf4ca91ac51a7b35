using System.Numerics.Tensors;

namespace KvChat.Runtime.Compression;

/// <summary><c>v^T M v</c> for a symmetric matrix.</summary>
internal static class QuadraticForm
{
    /// <summary>Its value.</summary>
    /// <param name="matrix">Row by row, <c>[length, length]</c>.</param>
    /// <param name="vector"><c>[length]</c>.</param>
    public static float Of(ReadOnlySpan<float> matrix, ReadOnlySpan<float> vector)
    {
        float sum = 0;
        for (int i = 0; i < vector.Length; i++)
            sum += vector[i] * TensorPrimitives.Dot(matrix.Slice(i * vector.Length, vector.Length), vector);
        return sum;
    }
}
