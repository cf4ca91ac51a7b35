using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Compression;

/// <summary>The mean of the rotary matrices of a run of positions: for each pair a turn by the mean angle, shortened the more the angles differ.</summary>
internal sealed class MeanRotation
{
    private readonly float[] _cosines, _sines;

    private MeanRotation(float[] cosines, float[] sines)
    {
        _cosines = cosines;
        _sines = sines;
    }

    /// <summary>The mean over the positions from <paramref name="start"/> on; none where the layer rotates nothing.</summary>
    public static MeanRotation Of(TransformerConfiguration shape, int layer, int start, int count)
    {
        if (shape.PerLayer[layer].Rotary is not { } index)
            return new MeanRotation([], []);
        RotaryTable table = RotaryFrequencies.Of(shape.Rotaries[index], start > shape.ShortRotaryTokens);
        float[] cosines = new float[table.Frequencies.Length], sines = new float[cosines.Length];
        for (int pair = 0; pair < cosines.Length; pair++)
        {
            // The sum of a geometric series: the middle angle's turn, shortened.
            double half = table.Frequencies[pair] / 2, least = Math.Sin(half);
            double shortened = least == 0 ? 1 : Math.Sin(count * half) / (count * least);
            (double sine, double cosine) = Math.SinCos(((2.0 * start) + count - 1) * half);
            cosines[pair] = (float)(cosine * shortened * table.Magnitude);
            sines[pair] = (float)(sine * shortened * table.Magnitude);
        }

        return new MeanRotation(cosines, sines);
    }

    /// <summary>Mean and covariance of turned queries.</summary>
    public QueryMoments Turn(QueryMoments moments)
    {
        int dim = moments.Mean.Length;
        float[] mean = [.. moments.Mean], covariance = [.. moments.Covariance], column = new float[dim];
        Turn(mean);
        for (int row = 0; row < dim; row++)
            Turn(covariance.AsSpan(row * dim, dim));
        for (int i = 0; i < dim; i++)
        {
            for (int row = 0; row < dim; row++)
                column[row] = covariance[(row * dim) + i];
            Turn(column);
            for (int row = 0; row < dim; row++)
                covariance[(row * dim) + i] = column[row];
        }

        return new QueryMoments(mean, covariance);
    }

    private void Turn(Span<float> vector)
    {
        for (int i = 0, half = _cosines.Length; i < half; i++)
        {
            float low = vector[i], high = vector[i + half];
            vector[i] = (low * _cosines[i]) - (high * _sines[i]);
            vector[i + half] = (high * _cosines[i]) + (low * _sines[i]);
        }
    }
}
