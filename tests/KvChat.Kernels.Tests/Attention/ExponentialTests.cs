using System.Runtime.Intrinsics;
using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Tests.Attention;

public sealed unsafe class ExponentialTests
{
    [Fact]
    public void Exponential_is_within_2_ulp_and_alike_in_all_widths()
    {
        double worst = 0;
        for (int i = 0; i <= 200_000; i++)
        {
            float x = -87f * i / 200_000;
            float y = ScalarMath.Exp(x);
            Assert.Equal(y, VectorMath<Simd128, Vector128<float>>.Exp(Vector128.Create(x)).ToScalar());
            Assert.Equal(y, VectorMath<Simd256, Vector256<float>>.Exp(Vector256.Create(x)).ToScalar());
            Assert.Equal(y, VectorMath<Simd512, Vector512<float>>.Exp(Vector512.Create(x)).ToScalar());
            double exact = Math.Exp(x);
            worst = Math.Max(worst, Math.Abs(y - exact) / (MathF.BitIncrement((float)exact) - (float)exact));
        }

        Assert.InRange(worst, 0, 2);
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(-87.1f, 0f)]
    [InlineData(-1e30f, 0f)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.NaN, float.NaN)]
    public void Exponential_of_the_extremes(float x, float expected)
    {
        Assert.Equal(expected, ScalarMath.Exp(x));
        Assert.Equal(expected, VectorMath<Simd512, Vector512<float>>.Exp(Vector512.Create(x)).ToScalar());
    }

    [Fact]
    public void Every_half_survives_narrowing()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float value = HalfBits.Widen((ushort)bits);
            if (float.IsFinite(value))
            {
                Assert.Equal((ushort)bits, HalfBits.Narrow(value));
                Assert.Equal(value, HalfBits.WidenScaled((ushort)bits) * HalfBits.WideningFactor);
            }
        }
    }

    [Fact]
    public void Runs_of_halves_are_widened_as_single_ones_are()
    {
        ushort[] halves = [.. Enumerable.Range(0, ushort.MaxValue + 1).Select(bits => (ushort)bits), 0x3C00, 0xBC00, 1];
        float[] values = new float[halves.Length];
        fixed (ushort* source = halves)
        fixed (float* target = values)
            HalfBits.Widen(source, target, halves.Length);
        Assert.Equal(halves.Select(HalfBits.Widen), values);
    }

    [Fact]
    public void Narrowing_agrees_with_the_runtime_and_with_vectors()
    {
        Random random = new(5);
        float* numbers = stackalloc float[16];
        ushort* halves = stackalloc ushort[16];
        for (int i = 0; i < 20_000; i++)
        {
            for (int j = 0; j < 16; j++)
                numbers[j] = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-30, 17)));
            Simd512.StoreHalves(halves, Simd512.Narrow(Simd512.Load(numbers)));
            for (int j = 0; j < 16; j++)
            {
                Assert.Equal(HalfBits.Narrow(numbers[j]), halves[j]);
                if (MathF.Abs(numbers[j]) < 65520)
                    Assert.Equal(BitConverter.HalfToUInt16Bits((Half)numbers[j]), halves[j]);
            }
        }
    }
}
