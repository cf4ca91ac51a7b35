using System.Numerics;

namespace KvChat.Kernels;

/// <summary>The largest numbers of a row; what <see cref="IComputeBackend.FindTop"/> means, and how the CPU does it.</summary>
internal static class TopValues
{
    /// <summary>Most entries that are looked for: as many as cover the usual settings of samplers.</summary>
    public const int Most = 64;

    /// <summary>Checks the shapes of a call.</summary>
    /// <returns>Entries per row.</returns>
    /// <exception cref="ArgumentException">They do not fit; the message says which.</exception>
    public static int Check(DeviceTensor tensor, int rows, ReadOnlySpan<int> columns, ReadOnlySpan<float> values)
    {
        if (rows < 1 || rows > tensor.Rows)
            throw new ArgumentException($"rows is {rows}; the tensor has {tensor.Rows}.", nameof(rows));
        int count = columns.Length / rows, most = Math.Min(Most, tensor.Columns);
        if (columns.Length != values.Length || columns.Length != rows * count || count < 1 || count > most)
            throw new ArgumentException($"There is room for {columns.Length} columns and {values.Length} values of {rows} rows; it must be the same for both, 1 to {most} a row.", nameof(columns));
        return count;
    }

    /// <summary>Finds those of one row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="columns">Receives their columns.</param>
    /// <param name="values">Receives them; as many.</param>
    public static void Find(ReadOnlySpan<float> row, Span<int> columns, Span<float> values)
    {
        if (values.Length == 1 && row.Length >= Vector<float>.Count && Largest(row) is var largest && !float.IsNaN(largest))
        {
            columns[0] = row.IndexOf(largest);
            values[0] = row[columns[0]];
            return;
        }

        int count = 0;
        for (int column = 0; column < row.Length; column++)
        {
            float value = row[column];
            if (count == values.Length && !IsBefore(value, values[count - 1]))
                continue;
            int at = count < values.Length ? count++ : count - 1;
            for (; at > 0 && IsBefore(value, values[at - 1]); at--)
            {
                values[at] = values[at - 1];
                columns[at] = columns[at - 1];
            }

            values[at] = value;
            columns[at] = column;
        }
    }

    // NaN where there is one. Lanes take every so many numbers, and the last ones again with some before them.
    private static float Largest(ReadOnlySpan<float> row)
    {
        Vector<float> largest = new(row);
        for (int i = 0; ; i = Math.Min(i + Vector<float>.Count, row.Length - Vector<float>.Count))
        {
            Vector<float> some = new(row[i..]);
            if (!Vector.EqualsAll(some, some))
                return float.NaN;
            largest = Vector.Max(largest, some);
            if (i == row.Length - Vector<float>.Count)
                break;
        }

        float result = largest[0];
        for (int i = 1; i < Vector<float>.Count; i++)
            result = Math.Max(result, largest[i]);
        return result;
    }

    private static bool IsBefore(float value, float other) => value > other || (float.IsNaN(value) && !float.IsNaN(other));
}
