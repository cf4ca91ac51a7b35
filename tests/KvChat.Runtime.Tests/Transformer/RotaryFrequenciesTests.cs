using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Tests.Transformer;

public sealed class RotaryFrequenciesTests
{
    [Fact]
    public void Frequencies_fall_geometrically_from_one()
    {
        float[] frequencies = RotaryFrequencies.Compute(8, 10_000);
        Assert.Equal([1f, 0.1f, 0.01f, 0.001f], frequencies, (a, b) => Math.Abs(a - b) < 1e-9f * Math.Max(1, 1 / b));
    }

    [Fact]
    public void Linear_scaling_divides_all() =>
        Assert.Equal(RotaryFrequencies.Compute(8, 10_000).Select(f => f / 4), RotaryFrequencies.Compute(8, 10_000, 4));

    [Fact]
    public void Llama3_scaling_leaves_short_waves_and_divides_long_ones()
    {
        float[] divisors = RotaryFrequencies.Llama3Divisors(128, 500_000, 8, 1, 4, 8192);
        Assert.Equal(1, divisors[0]);
        Assert.Equal(8, divisors[^1], 1e-5f);
        Assert.True(divisors.Zip(divisors.Skip(1)).All(p => p.First <= p.Second));
        Assert.Contains(divisors, d => d is > 1.01f and < 7.99f);
    }
}
