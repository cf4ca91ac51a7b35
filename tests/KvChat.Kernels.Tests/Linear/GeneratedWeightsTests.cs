using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>Generated weights on the host: the sequence, its spread, and what is refused.</summary>
public sealed unsafe class GeneratedWeightsTests
{
    public static TheoryData<WeightFormat> Formats => [.. GeneratedWeights.Formats.ToArray()];

    /// <summary>The first numbers of this seed are published (Rosetta Code, "Pseudo-random numbers/Splitmix64").</summary>
    [Fact]
    public void Draws_are_those_of_SplitMix64() => Assert.Equal(
        [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821],
        Enumerable.Range(0, 5).Select(i => GeneratedWeights.Draw(1234567, (ulong)i)));

    [Theory]
    [MemberData(nameof(Formats))]
    public void Weights_have_the_deviation_that_was_asked_for(WeightFormat format)
    {
        const int Count = 1 << 18;
        const double Deviation = 0.0125;
        byte[] bytes = new byte[WeightFormats.RowBytes(format, Count)];
        new GeneratedWeights(5, (float)Deviation).Fill(format, bytes);
        float[] values = new float[Count];
        Dequantizer.Dequantize(format, bytes, values);
        double mean = values.Average(value => (double)value), deviation = Math.Sqrt(values.Average(value => (double)value * value));
        Assert.InRange(mean, -Deviation / 100, Deviation / 100);
        Assert.InRange(deviation, Deviation * 0.99, Deviation * 1.01);
        Assert.InRange(values.Max(), 1.5 * Deviation, 4 * Deviation);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_slice_has_the_bytes_that_the_whole_has_there(WeightFormat format)
    {
        const int Columns = 512;
        byte[] whole = new byte[6 * WeightFormats.RowBytes(format, Columns)], part = new byte[whole.Length / 2];
        MatrixData data = new(format, 6, Columns, new GeneratedWeights(9, 0.5f, 4));
        data.Generated!.Value.Fill(format, whole);
        MatrixData slice = data.Slice(2, 3);
        slice.Generated!.Value.Fill(format, part);
        Assert.Equal((3, Columns, format), (slice.Rows, slice.Columns, slice.Format));
        Assert.Equal(whole.AsSpan(whole.Length / 3, part.Length).ToArray(), part);
    }

    [Fact]
    public void A_slice_of_host_memory_begins_at_its_first_row()
    {
        MatrixData slice = new MatrixData(WeightFormat.Q8_0, 16, 64, (byte*)4096).Slice(8, 8, 4);
        Assert.Equal(4096 + (8 * 68), (nint)slice.Data);
        Assert.Equal(4, slice.PairedHeadDim);
        Assert.Throws<ArgumentOutOfRangeException>(() => slice.Slice(1, 8));
    }

    [Fact]
    public void What_cannot_be_generated_is_refused()
    {
        Assert.Contains("Q6_K", Assert.Throws<ArgumentException>(() => new MatrixData(WeightFormat.Q6_K, 1, 256, new GeneratedWeights(1, 1))).Message, StringComparison.Ordinal);
        foreach (float deviation in (float[])[0, -1, float.NaN, float.PositiveInfinity, 1e6f, 1e-9f])
            Assert.Throws<ArgumentException>(() => new MatrixData(WeightFormat.Q4_K, 1, 256, new GeneratedWeights(1, deviation)));
        Assert.Throws<ArgumentException>(() => new GeneratedWeights(1, 1).Fill(WeightFormat.Q8_0, new byte[35]));
    }
}
