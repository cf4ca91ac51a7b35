using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu.Attention;

/// <summary>Half precision as bits. Kernels widen with shifts alone, which leaves a factor that they fold into queries and probabilities.</summary>
/// <remarks>
/// A half is s eeeee m(10). Moved so that its exponent and mantissa lie in the lower bits of a single's fields, it reads as value * 2^-112, since the
/// biases differ by 127 - 15 = 112. This is exact for every finite half, subnormals too. Exponent 31 (infinity, NaN) reads as a finite number of 2^16
/// or more: <see cref="Narrow"/> writes no infinity, and a row that wrote a NaN has NaN results of its own from its fp32 query.
/// </remarks>
internal static unsafe class HalfBits
{
    /// <summary>2^112: what a number widened by shifts must be multiplied with.</summary>
    public const float WideningFactor = 5.192296858534828e33f;

    /// <summary>2^56: half of that exponent, for each of query and logit, so that no query overflows.</summary>
    public const float HalfFactor = 7.205759403792794e16f;

    /// <summary>Sign, lower exponent and mantissa bits of a half that has been moved into a single.</summary>
    public const int Mask = unchecked((int)0x8FFFE000);

    private const float Largest = 65504f;

    /// <summary>Nearest half, ties to even; beyond the range the largest finite half; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Narrow(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 16) & 0x8000;
        float magnitude = MathF.Abs(value);
        if (float.IsNaN(value))
            return (ushort)(sign | 0x7E00);
        magnitude = magnitude > Largest ? Largest : magnitude;
        bits = BitConverter.SingleToUInt32Bits(magnitude);

        // Below 2^-14 the spacing of halves is 2^-24, that of singles between 0.5 and 1: adding 0.5 rounds to it.
        uint result = magnitude < 6.103515625e-05f
            ? BitConverter.SingleToUInt32Bits(magnitude + 0.5f) - 0x3F000000
            : ((bits + 0xFFF + ((bits >> 13) & 1)) >> 13) - (112 << 10);
        return (ushort)(sign | result);
    }

    /// <summary>Value of a half times 2^-112, as the kernels see it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float WidenScaled(ushort half) => BitConverter.Int32BitsToSingle(((short)half << 13) & Mask);

    /// <summary>Value of a half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Widen(ushort half) => (float)BitConverter.UInt16BitsToHalf(half);

    /// <summary>Values of a run of halves.</summary>
    public static void Widen(ushort* halves, float* values, int count)
    {
        int i = 0;
        for (; i <= count - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
        {
            (Vector256<uint> lower, Vector256<uint> upper) = Vector256.Widen(Vector256.Load(halves + i));
            Widen(lower).Store(values + i);
            Widen(upper).Store(values + i + Vector256<float>.Count);
        }

        for (; i < count; i++)
            values[i] = Widen(halves[i]);
    }

    // Exponent and fraction moved to their places and the exponent's bias mended by a product, which makes subnormal halves right too. Infinite ones and what is no number get the highest exponent.
    private static Vector256<float> Widen(Vector256<uint> halves)
    {
        Vector256<uint> magnitude = halves & Vector256.Create(0x7FFFu), beyond = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(0x7C00u));
        Vector256<uint> value = ((magnitude << 13).AsSingle() * Vector256.Create(WideningFactor)).AsUInt32();
        return (value | (beyond & Vector256.Create(0x7F80_0000u)) | ((halves & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }
}
