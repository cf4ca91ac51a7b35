using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Exponential and soft cap, one number at a time.</summary>
internal static unsafe class ScalarMath
{
    /// <summary>1.5 * 2^23: added to a small number, it leaves its nearest integer in the low bits.</summary>
    public const float Magic = 12582912f;

    /// <summary>1 / ln 2.</summary>
    public const float Log2E = 1.44269504f;

    /// <summary>Upper bits of ln 2.</summary>
    public const float Ln2High = 0.693145751953125f;

    /// <summary>The rest of ln 2.</summary>
    public const float Ln2Low = 1.42860682e-06f;

    // e^r = 1 + r + C2 r^2 + ... for |r| <= ln 2 / 2: interpolation at the Chebyshev points of degree 7, error 2e-9, far below a single's 6e-8.
    public const float C2 = 0.5f;
    public const float C3 = 0.166664138f;
    public const float C4 = 0.0416663513f;
    public const float C5 = 0.00837520976f;
    public const float C6 = 0.00139412133f;

    /// <summary>Below this the result counts as 0; above it no result is subnormal.</summary>
    public const float Smallest = -87f;

    /// <summary>e^x for x &lt;= 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp(float x)
    {
        float shifted = MathF.FusedMultiplyAdd(x, Log2E, Magic);
        float n = shifted - Magic;
        float r = MathF.FusedMultiplyAdd(n, -Ln2High, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        float y = MathF.FusedMultiplyAdd(C6, r, C5);
        y = MathF.FusedMultiplyAdd(y, r, C4);
        y = MathF.FusedMultiplyAdd(y, r, C3);
        y = MathF.FusedMultiplyAdd(y, r, C2);
        y = MathF.FusedMultiplyAdd(y, r, 1f);
        y = MathF.FusedMultiplyAdd(y, r, 1f);
        y *= BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(shifted) << 23) + 0x3F800000);
        return x < Smallest ? 0 : y;
    }

    /// <summary>cap * tanh(x / cap).</summary>
    public static float Cap(float x, float cap)
    {
        float y = x / cap;
        float t = Exp(-2f * MathF.Abs(y));
        return cap * MathF.CopySign((1f - t) / (1f + t), y);
    }

    /// <summary>Sum of 16 lanes, halves onto halves: the one order for all widths.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SumLanes(float* lanes)
    {
        float a = (lanes[0] + lanes[8]) + (lanes[4] + lanes[12]);
        float b = (lanes[1] + lanes[9]) + (lanes[5] + lanes[13]);
        float c = (lanes[2] + lanes[10]) + (lanes[6] + lanes[14]);
        float d = (lanes[3] + lanes[11]) + (lanes[7] + lanes[15]);
        return (a + c) + (b + d);
    }
}
