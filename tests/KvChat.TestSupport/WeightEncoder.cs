using System.Runtime.InteropServices;
using KvChat.Kernels.Quantization;

namespace KvChat.TestSupport;

/// <summary>Stores floats in the formats that tests make models of: F32, F16, BF16 (both rounded to nearest even) and Q8_0.</summary>
public static class WeightEncoder
{
    /// <summary>The bytes of <paramref name="values"/>; a multiple of 32 of them for Q8_0.</summary>
    public static byte[] Encode(WeightFormat format, ReadOnlySpan<float> values) => format switch
    {
        WeightFormat.F32 => MemoryMarshal.AsBytes(values).ToArray(),
        WeightFormat.F16 => MemoryMarshal.AsBytes(Convert(values, value => BitConverter.HalfToUInt16Bits((Half)value)).AsSpan()).ToArray(),
        WeightFormat.BF16 => MemoryMarshal.AsBytes(Convert(values, ToBFloat16).AsSpan()).ToArray(),
        WeightFormat.Q8_0 => EncodeQ8_0(values),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Tests encode F32, F16, BF16 and Q8_0; give bytes for the others."),
    };

    private static ushort[] Convert(ReadOnlySpan<float> values, Func<float, ushort> convert) => Array.ConvertAll(values.ToArray(), value => convert(value));

    private static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)0x7FC0 : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static byte[] EncodeQ8_0(ReadOnlySpan<float> values)
    {
        if (values.Length % 32 != 0)
        {
            throw new ArgumentException($"Q8_0 stores multiples of 32 weights, not {values.Length}.", nameof(values));
        }

        byte[] bytes = new byte[values.Length / 32 * 34];
        for (int block = 0; block < values.Length / 32; block++)
        {
            ReadOnlySpan<float> from = values.Slice(block * 32, 32);
            float largest = 0;
            foreach (float value in from)
            {
                largest = Math.Max(largest, Math.Abs(value));
            }

            Half scale = (Half)(largest / 127);
            float divisor = (float)scale;
            BitConverter.TryWriteBytes(bytes.AsSpan(block * 34), scale);
            for (int l = 0; l < 32; l++)
            {
                float code = divisor == 0 ? 0 : MathF.Round(from[l] / divisor);
                bytes[(block * 34) + 2 + l] = unchecked((byte)(sbyte)Math.Clamp(code, -128, 127));
            }
        }

        return bytes;
    }
}
