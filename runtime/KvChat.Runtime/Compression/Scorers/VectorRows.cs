using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace KvChat.Runtime.Compression;

/// <summary>Sums over many vectors that stand behind each other, <c>[n, dim]</c>, as keys and values are read.</summary>
internal static class VectorRows
{
    // Columns that are summed in registers at a time.
    private const int Columns = 32;

    // Vectors and columns of a register tile of quadratic forms; the columns are two registers.
    private const int TileVectors = 4, TileColumns = 16;

    /// <summary>The weighted sum of the vectors.</summary>
    /// <param name="vectors"><c>[weights.Length, sum.Length]</c>.</param>
    /// <param name="weights">A weight for each.</param>
    /// <param name="sum">Receives it.</param>
    public static void Sum(ReadOnlySpan<float> vectors, ReadOnlySpan<float> weights, Span<float> sum)
    {
        int dim = sum.Length, column = 0, width = Vector256<float>.Count;
        ArgumentOutOfRangeException.ThrowIfNotEqual(vectors.Length, checked(weights.Length * dim));
        for (; column <= dim - Columns; column += Columns)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            ref float vector = ref Unsafe.Add(ref MemoryMarshal.GetReference(vectors), column);
            foreach (float weight in weights)
            {
                var w = Vector256.Create(weight);
                a = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref vector), a);
                b = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref vector, (nuint)width), b);
                c = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref vector, (nuint)(2 * width)), c);
                d = Vector256.MultiplyAddEstimate(w, Vector256.LoadUnsafe(ref vector, (nuint)(3 * width)), d);
                vector = ref Unsafe.Add(ref vector, dim);
            }

            a.CopyTo(sum[column..]);
            b.CopyTo(sum[(column + width)..]);
            c.CopyTo(sum[(column + (2 * width))..]);
            d.CopyTo(sum[(column + (3 * width))..]);
        }

        Span<float> rest = sum[column..];
        rest.Clear();
        for (int i = 0; i < weights.Length && !rest.IsEmpty; i++)
            TensorPrimitives.MultiplyAdd(vectors.Slice((i * dim) + column, rest.Length), weights[i], rest, rest);
    }

    /// <summary>The product of each vector with another.</summary>
    /// <param name="vectors"><c>[products.Length, other.Length]</c>.</param>
    /// <param name="other"><c>[dim]</c>.</param>
    /// <param name="products">Receives a product for each vector.</param>
    public static void Dot(ReadOnlySpan<float> vectors, ReadOnlySpan<float> other, Span<float> products)
    {
        int dim = other.Length, i = 0;
        ArgumentOutOfRangeException.ThrowIfNotEqual(vectors.Length, checked(products.Length * dim));
        for (; i <= products.Length - 4 && dim % Vector256<float>.Count == 0; i += 4)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            ref float vector = ref Unsafe.Add(ref MemoryMarshal.GetReference(vectors), i * dim);
            for (int column = 0; column < dim; column += Vector256<float>.Count, vector = ref Unsafe.Add(ref vector, Vector256<float>.Count))
            {
                var x = Vector256.Create(other[column..]);
                a = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref vector), a);
                b = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref vector, (nuint)dim), b);
                c = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref vector, (nuint)(2 * dim)), c);
                d = Vector256.MultiplyAddEstimate(x, Vector256.LoadUnsafe(ref vector, (nuint)(3 * dim)), d);
            }

            products[i] = Vector256.Sum(a);
            products[i + 1] = Vector256.Sum(b);
            products[i + 2] = Vector256.Sum(c);
            products[i + 3] = Vector256.Sum(d);
        }

        for (; i < products.Length; i++)
            products[i] = TensorPrimitives.Dot(vectors.Slice(i * dim, dim), other);
    }

    /// <summary><c>v^T M v</c> of each vector, for a symmetric matrix.</summary>
    /// <param name="matrix">Row by row, <c>[dim, dim]</c>; only what lies on and above the diagonal's blocks of 16 columns is read, twice where it stands for both halves.</param>
    /// <param name="vectors"><c>[values.Length, dim]</c>.</param>
    /// <param name="dim">Numbers of a vector.</param>
    /// <param name="values">Receives a value per vector.</param>
    public static void QuadraticForms(ReadOnlySpan<float> matrix, ReadOnlySpan<float> vectors, int dim, Span<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(matrix.Length, dim * dim);
        ArgumentOutOfRangeException.ThrowIfNotEqual(vectors.Length, checked(values.Length * dim));
        int whole = dim / TileColumns * TileColumns;
        Span<float> four = stackalloc float[TileVectors];
        for (int i = 0; i < values.Length; i += TileVectors)
        {
            int count = Math.Min(TileVectors, values.Length - i);
            ReadOnlySpan<float> block = vectors.Slice(i * dim, count * dim);
            four.Clear();
            for (int column = 0; column < whole; column += TileColumns)
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
        for (int row = 0; row < column + TileColumns; row++, m = ref Unsafe.Add(ref m, dim))
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

        sums[0] += Product(a0, a1, ref Unsafe.Add(ref a, column));
        sums[1] += Product(b0, b1, ref Unsafe.Add(ref b, column));
        sums[2] += Product(c0, c1, ref Unsafe.Add(ref c, column));
        sums[3] += Product(d0, d1, ref Unsafe.Add(ref d, column));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Product(Vector256<float> lower, Vector256<float> upper, ref float vector) =>
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
