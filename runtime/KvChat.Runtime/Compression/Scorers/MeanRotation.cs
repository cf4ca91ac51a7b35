using System.Buffers;
using System.Numerics.Tensors;
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

    /// <summary>Turns vectors by the transposed mean, so that <c>(R^T k).q = k.(R q)</c> for every query q.</summary>
    /// <param name="vectors"><c>[n, dim]</c>.</param>
    /// <param name="dim">Numbers of a vector.</param>
    public void TurnBack(Span<float> vectors, int dim)
    {
        int half = _cosines.Length;
        if (half == 0)
            return;
        float[] rented = ArrayPool<float>.Shared.Rent(half);
        Span<float> turned = rented.AsSpan(0, half);
        for (; !vectors.IsEmpty; vectors = vectors[dim..])
        {
            Span<float> low = vectors[..half], high = vectors.Slice(half, half);
            TensorPrimitives.Multiply(low, _sines, turned);
            TensorPrimitives.Multiply(low, _cosines, low);
            TensorPrimitives.MultiplyAdd(high, _sines, low, low);
            TensorPrimitives.Multiply(high, _cosines, high);
            TensorPrimitives.Subtract(high, turned, high);
        }

        ArrayPool<float>.Shared.Return(rented);
    }
}
