using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Tests.Compression;

/// <summary>Sums over many vectors, of every size that has another way through the registers, against plain sums in fp64.</summary>
public sealed class VectorRowsTests
{
    private readonly Random _random = new(7);

    public static TheoryData<int, int> Sizes()
    {
        TheoryData<int, int> data = [];
        foreach (int dim in (int[])[1, 7, 8, 16, 20, 32, 40, 64, 80, 128])
        {
            foreach (int count in (int[])[1, 2, 3, 4, 9])
                data.Add(dim, count);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Weighted_sums(int dim, int count)
    {
        float[] vectors = Numbers(count * dim), weights = Numbers(count), actual = [.. Enumerable.Repeat(9f, dim)];
        VectorRows.Sum(vectors, weights, actual);
        AssertNear(Enumerable.Range(0, dim).Select(d => Enumerable.Range(0, count).Sum(i => (double)weights[i] * vectors[(i * dim) + d])), actual, dim);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Products_with_a_vector(int dim, int count)
    {
        float[] vectors = Numbers(count * dim), other = Numbers(dim), actual = new float[count];
        VectorRows.Dot(vectors, other, actual);
        AssertNear(vectors.Chunk(dim).Select(v => v.Zip(other, (a, b) => (double)a * b).Sum()), actual, dim);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Quadratic_forms(int dim, int count)
    {
        float[] vectors = Numbers(count * dim), matrix = new float[dim * dim], actual = new float[count];
        for (int i = 0; i < dim; i++)
        {
            for (int j = 0; j <= i; j++)
                matrix[(i * dim) + j] = matrix[(j * dim) + i] = _random.NextSingle() - 0.3f;
        }

        VectorRows.QuadraticForms(matrix, vectors, dim, actual);
        AssertNear(vectors.Chunk(dim).Select(v => Enumerable.Range(0, dim * dim).Sum(i => (double)matrix[i] * v[i / dim] * v[i % dim])), actual, dim);
    }

    private static void AssertNear(IEnumerable<double> expected, float[] actual, int dim) =>
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6 * dim));

    private float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.NextSingle() - 0.5f)];
}
