using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace KvChat.Runtime.Compression;

/// <summary><c>v^T M v</c> for a symmetric matrix and many vectors.</summary>
internal static class QuadraticForm
{
    // Vectors and columns of a register tile; the columns are two registers.
    private const int Vectors = 4, Columns = 16;

    /// <summary>Its values.</summary>
    /// <param name="matrix">Row by row, <c>[dim, dim]</c>; only what lies on and above the diagonal's blocks of 16 columns is read, twice where it stands for both halves.</param>
    /// <param name="vectors"><c>[values.Length, dim]</c>.</param>
    /// <param name="dim">Numbers of a vector.</param>
    /// <param name="values">Receives a value per vector.</param>
    public static void Of(ReadOnlySpan<float> matrix, ReadOnlySpan<float> vectors, int dim, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(matrix.Length, dim * dim);
        ArgumentOutOfRangeException.ThrowIfNotEqual(vectors.Length, checked(values.Length * dim));
        int whole = dim / Columns * Columns;
        Span<float> four = stackalloc float[Vectors];
        for (int i = 0; i < values.Length; i += Vectors)
        {
            int count = Math.Min(Vectors, values.Length - i);
            ReadOnlySpan<float> block = vectors.Slice(i * dim, count * dim);
            four.Clear();
            for (int column = 0; column < whole; column += Columns)
                AddColumns(matrix, block, dim, column, four);
            for (int j = 0; j < count; j++)
                values[i + j] = four[j] + Rest(matrix, block.Slice(j * dim, dim), whole);
        }
    }

    // Rows before the block of columns stand for those behind it too, as the matrix is symmetric. Fewer than four vectors repeat the last.
    private static void AddColumns(ReadOnlySpan<float> matrix, ReadOnlySpan<float> vectors, int dim, int column, Span<float> sums)
    {
        int last = (vectors.Length / dim) - 1;
        ref float m = ref Unsafe.Add(ref MemoryMarshal.GetReference(matrix), column), a = ref MemoryMarshal.GetReference(vectors);
        ref float b = ref Unsafe.Add(ref a, Math.Min(1, last) * dim), c = ref Unsafe.Add(ref a, Math.Min(2, last) * dim), d = ref Unsafe.Add(ref a, last * dim);
        Vector256<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
        for (int row = 0; row < column + Columns; row++, m = ref Unsafe.Add(ref m, dim))
        {
            if (row == column)
            {
                (a0, a1, b0, b1) = (a0 + a0, a1 + a1, b0 + b0, b1 + b1);
                (c0, c1, d0, d1) = (c0 + c0, c1 + c1, d0 + d0, d1 + d1);
            }

            Vector256<float> m0 = Vector256.LoadUnsafe(ref m), m1 = Vector256.LoadUnsafe(ref m, (nuint)Vector256<float>.Count);
            var x = Vector256.Create(Unsafe.Add(ref a, row));
            (a0, a1) = (Vector256.MultiplyAddEstimate(x, m0, a0), Vector256.MultiplyAddEstimate(x, m1, a1));
            x = Vector256.Create(Unsafe.Add(ref b, row));
            (b0, b1) = (Vector256.MultiplyAddEstimate(x, m0, b0), Vector256.MultiplyAddEstimate(x, m1, b1));
            x = Vector256.Create(Unsafe.Add(ref c, row));
            (c0, c1) = (Vector256.MultiplyAddEstimate(x, m0, c0), Vector256.MultiplyAddEstimate(x, m1, c1));
            x = Vector256.Create(Unsafe.Add(ref d, row));
            (d0, d1) = (Vector256.MultiplyAddEstimate(x, m0, d0), Vector256.MultiplyAddEstimate(x, m1, d1));
        }

        sums[0] += Dot(a0, a1, ref Unsafe.Add(ref a, column));
        sums[1] += Dot(b0, b1, ref Unsafe.Add(ref b, column));
        sums[2] += Dot(c0, c1, ref Unsafe.Add(ref c, column));
        sums[3] += Dot(d0, d1, ref Unsafe.Add(ref d, column));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Dot(Vector256<float> lower, Vector256<float> upper, ref float vector) =>
        Vector256.Sum(Vector256.MultiplyAddEstimate(lower, Vector256.LoadUnsafe(ref vector), upper * Vector256.LoadUnsafe(ref vector, (nuint)Vector256<float>.Count)));

    // Columns that fill no registers.
    private static float Rest(ReadOnlySpan<float> matrix, ReadOnlySpan<float> vector, int from)
    {
        float sum = 0;
        for (int i = from; i < vector.Length; i++)
        {
            ReadOnlySpan<float> row = matrix.Slice(i * vector.Length, vector.Length);
            sum += vector[i] * ((2 * TensorPrimitives.Dot(row[..from], vector[..from])) + TensorPrimitives.Dot(row[from..], vector[from..]));
        }

        return sum;
    }
}
