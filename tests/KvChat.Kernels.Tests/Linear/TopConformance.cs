namespace KvChat.Kernels.Tests.Linear;

/// <summary>What holds for the largest numbers of rows on every back end that looks for them.</summary>
public abstract class TopConformance
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 5)]
    [InlineData(100, 1)]
    [InlineData(4096, 7)]
    [InlineData(9001, 64)]
    public void The_largest_come_in_order_and_of_equal_ones_the_first(int width, int count)
    {
        const int Rows = 3;
        Random random = new(width);
        using IComputeBackend backend = Create();
        using DeviceTensor tensor = backend.CreateTensor(Rows + 1, width);
        int[] columns = new int[Rows * count];
        float[] values = new float[columns.Length];
        float[][] rows = [.. Enumerable.Range(0, Rows).Select(row => Enumerable.Range(0, width).Select(_ => row == 0 ? random.Next(-2, 3) : (float)(random.NextDouble() - 0.5)).ToArray())];
        rows[1][width / 2] = float.NegativeInfinity;
        rows[2][width / 3] = float.NaN;
        for (int row = 0; row < Rows; row++)
            backend.Write(tensor, row, rows[row]);
        backend.FindTop(tensor, Rows, columns, values);
        for (int row = 0; row < Rows; row++)
        {
            float[] numbers = rows[row];
            int[] expected = [.. Enumerable.Range(0, width).OrderByDescending(i => float.IsNaN(numbers[i])).ThenByDescending(i => numbers[i]).Take(count)];
            Assert.Equal(expected, columns.AsSpan(row * count, count).ToArray());
            Assert.Equal(expected.Select(i => numbers[i]), values.AsSpan(row * count, count).ToArray());
        }
    }

    [Fact]
    public void Signs_of_zero_are_equal()
    {
        using IComputeBackend backend = Create();
        using DeviceTensor tensor = backend.CreateTensor(1, 4);
        backend.Write(tensor, 0, [-1, -0f, 0, -0f]);
        int[] columns = new int[3];
        float[] values = new float[3];
        backend.FindTop(tensor, 1, columns, values);
        Assert.Equal([1, 2, 3], columns);
        backend.FindTop(tensor, 1, columns.AsSpan(0, 1), values.AsSpan(0, 1));
        Assert.Equal(1, columns[0]);
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(3, 3, 3)]
    [InlineData(2, 3, 3)]
    [InlineData(1, 5, 5)]
    [InlineData(1, 2, 1)]
    public void Shapes_that_do_not_fit_are_refused(int rows, int columns, int values)
    {
        using IComputeBackend backend = Create();
        using DeviceTensor tensor = backend.CreateTensor(2, 4);
        Assert.Throws<ArgumentException>(() => backend.FindTop(tensor, rows, new int[columns], new float[values]));
    }

    /// <summary>Makes the back end under test.</summary>
    protected abstract IComputeBackend Create();
}
