using System.Runtime.InteropServices;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels;

/// <summary>
/// Random weights that lie nowhere: a back end makes them where it keeps its weights, so that a model of any shape can be run without a file and without its bytes in host memory. Every
/// back end makes the same ones: block i hangs on seed and i alone, by SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014). Numbers lie around 0 with
/// <paramref name="Deviation"/>: in floats the sum of four uniform ones, in blocks of codes uniform codes.
/// </summary>
/// <param name="Seed">Of the sequence.</param>
/// <param name="Deviation">Standard deviation of the numbers, positive and within the range of halves.</param>
/// <param name="FirstBlock">Place of the first block in the sequence; a block is one number in floats.</param>
public readonly record struct GeneratedWeights(ulong Seed, float Deviation, long FirstBlock = 0)
{
    // Deviations of what a unit is multiplied with: the sum of four uniform numbers of 16 bits; a uniform signed byte with -127 in the place of -128; codes 0 to 15 under scales of 32 to 63.
    private static readonly double SumDeviation = Math.Sqrt(((65536.0 * 65536) - 1) / 3);
    private static readonly double ByteDeviation = Math.Sqrt(((127.0 * 128 * 255 / 3) + (127 * 127)) / 256);
    private static readonly double CodeDeviation = Math.Sqrt(255.0 / 12 * ((47.5 * 47.5) + (1023.0 / 12)));

    private static readonly WeightFormat[] s_formats = [WeightFormat.F16, WeightFormat.BF16, WeightFormat.Q8_0, WeightFormat.Q4_K];

    /// <summary>Formats in which there are such weights.</summary>
    public static ReadOnlySpan<WeightFormat> Formats => s_formats;

    /// <summary>Makes the first blocks in host memory; what every other maker must equal.</summary>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <param name="blocks">Whole blocks of it.</param>
    /// <exception cref="ArgumentException">The format is another, the deviation is not to be had in it, or the last block is not whole.</exception>
    public void Fill(WeightFormat format, Span<byte> blocks)
    {
        Check(format);
        int size = WeightFormats.BlockBytes(format), count = blocks.Length / size;
        if (blocks.Length != count * size)
            throw new ArgumentException($"{blocks.Length} bytes are no whole number of blocks of {WeightFormats.Name(format)}, which have {size}.", nameof(blocks));
        for (int i = 0; i < count; i++)
        {
            Span<byte> block = blocks.Slice(i * size, size);
            switch (format)
            {
                case WeightFormat.F16:
                    MemoryMarshal.Write(block, (Half)Number(FirstBlock + i));
                    break;
                case WeightFormat.BF16:
                    MemoryMarshal.Write(block, ToBrain(Number(FirstBlock + i)));
                    break;
                case WeightFormat.Q8_0:
                    FillBytes(FirstBlock + i, block);
                    break;
                default:
                    FillGroups(FirstBlock + i, block);
                    break;
            }
        }
    }

    /// <summary>Number <paramref name="index"/> of the sequence that SplitMix64 draws from a seed.</summary>
    internal static ulong Draw(ulong seed, ulong index)
    {
        ulong z = unchecked(seed + ((index + 1) * 0x9E3779B97F4A7C15));
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return z ^ (z >> 31);
    }

    /// <summary>What a step of the sum means in floats.</summary>
    internal float Unit => (float)(Deviation / SumDeviation);

    /// <summary>The scales of a block as halves: of Q8_0 its only one, of Q4_K that of scales, and above it that of minima.</summary>
    internal uint Scales(WeightFormat format)
    {
        if (format == WeightFormat.Q8_0)
            return BitConverter.HalfToUInt16Bits((Half)(Deviation / ByteDeviation));
        double step = Deviation / CodeDeviation;
        return BitConverter.HalfToUInt16Bits((Half)step) | ((uint)BitConverter.HalfToUInt16Bits((Half)(7.5 * step)) << 16);
    }

    /// <summary>Checks that there are such weights in a format.</summary>
    /// <exception cref="ArgumentException">There are none; the message says why.</exception>
    internal void Check(WeightFormat format)
    {
        if (!s_formats.Contains(format))
            throw new ArgumentException($"Weights of {WeightFormats.Name(format)} are not generated; there are: {string.Join(", ", s_formats)}.", nameof(format));
        if (!(Deviation > 0) || !Half.IsFinite((Half)(4 * Deviation)) || (format is WeightFormat.Q8_0 or WeightFormat.Q4_K && (Scales(format) & 0xffff) == 0))
            throw new ArgumentException($"A deviation of {Deviation} is not to be had in {WeightFormats.Name(format)}; it must be positive and within the range of halves.", nameof(format));
    }

    private float Number(long index)
    {
        ulong draw = Draw(Seed, (ulong)index);
        int sum = (int)(draw & 65535) + (int)((draw >> 16) & 65535) + (int)((draw >> 32) & 65535) + (int)(draw >> 48) - (2 * 65535);
        return sum * Unit;
    }

    // To the nearest, halves to even.
    private static ushort ToBrain(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    private void FillBytes(long index, Span<byte> block)
    {
        MemoryMarshal.Write(block, (ushort)Scales(WeightFormat.Q8_0));
        Span<byte> codes = block[2..];
        for (int i = 0; i < 4; i++)
            MemoryMarshal.Write(codes[(8 * i)..], Draw(Seed, ((ulong)index * 4) + (ulong)i));
        foreach (ref byte code in codes)
            code = code == 128 ? (byte)129 : code;
    }

    // Each group's scale is one of 32 to 63, and its minimum the same; their own scales are 1 to 7.5, so that codes 0 to 15 lie around 0.
    private void FillGroups(long index, Span<byte> block)
    {
        ulong first = (ulong)index * 17, groups = Draw(Seed, first);
        MemoryMarshal.Write(block, Scales(WeightFormat.Q4_K));
        for (int group = 0; group < 4; group++)
        {
            int early = 32 + (int)((groups >> (5 * group)) & 31), late = 32 + (int)((groups >> ((5 * group) + 20)) & 31);
            block[4 + group] = block[8 + group] = (byte)(early | (late >> 4 << 6));
            block[12 + group] = (byte)((late & 15) * 17);
        }

        for (int i = 0; i < 16; i++)
            MemoryMarshal.Write(block[(16 + (8 * i))..], Draw(Seed, first + 1 + (ulong)i));
    }
}
