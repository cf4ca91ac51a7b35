namespace KvChat.Kernels.Quantization;

/// <summary>
/// Decodes weights to float32, one at a time and exactly as ggml's formats define them. The reference for the vector kernels, and the decoder for everything
/// that is read once: embeddings, norms, repacking.
/// </summary>
/// <remarks>Products and differences are rounded one by one, never fused: that is what makes the answers equal on every machine.</remarks>
public static unsafe partial class Dequantizer
{
    private const int Block = 32;

    /// <summary>The 16 uneven steps of <see cref="WeightFormat.IQ4_NL"/> and <see cref="WeightFormat.IQ4_XS"/>.</summary>
    public static ReadOnlySpan<sbyte> NonlinearSteps => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Decodes as many weights as <paramref name="destination"/> holds.</summary>
    /// <param name="format">How <paramref name="source"/> is stored.</param>
    /// <param name="source">Whole blocks, exactly those of the weights asked for.</param>
    /// <param name="destination">A multiple of the format's block size.</param>
    /// <exception cref="ArgumentException">The two lengths do not belong together.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format.</exception>
    public static void Dequantize(WeightFormat format, ReadOnlySpan<byte> source, Span<float> destination)
    {
        int block = WeightFormats.BlockSize(format);
        if (destination.Length % block != 0)
        {
            throw new ArgumentException($"{WeightFormats.Name(format)} is decoded in multiples of {block} weights, not {destination.Length}.", nameof(destination));
        }

        long needed = WeightFormats.RowBytes(format, destination.Length);
        if (source.Length != needed)
        {
            throw new ArgumentException($"{destination.Length} weights of {WeightFormats.Name(format)} take {needed} bytes, not {source.Length}.", nameof(source));
        }

        fixed (byte* from = source)
        fixed (float* to = destination)
        {
            Dequantize(format, from, to, destination.Length);
        }
    }

    /// <summary>Decodes <paramref name="count"/> weights. The pointers are not checked: they must be good for that many.</summary>
    /// <param name="format">How <paramref name="source"/> is stored.</param>
    /// <param name="source">Whole blocks, in any alignment.</param>
    /// <param name="destination">Room for <paramref name="count"/> floats.</param>
    /// <param name="count">A multiple of the format's block size.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format, or <paramref name="count"/> is negative or no multiple of its block size.</exception>
    public static void Dequantize(WeightFormat format, byte* source, float* destination, int count)
    {
        int block = WeightFormats.BlockSize(format);
        if (count < 0 || count % block != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, $"{WeightFormats.Name(format)} is decoded in multiples of {block} weights.");
        }

        int blockBytes = WeightFormats.BlockBytes(format);
        delegate*<byte*, float*, void> decode = Decoder(format);
        for (int done = 0; done < count; done += block, source += blockBytes, destination += block)
        {
            decode(source, destination);
        }
    }

    private static delegate*<byte*, float*, void> Decoder(WeightFormat format) => format switch
    {
        WeightFormat.F32 => &DecodeF32,
        WeightFormat.F16 => &DecodeF16,
        WeightFormat.BF16 => &DecodeBF16,
        WeightFormat.Q4_0 => &DecodeQ4_0,
        WeightFormat.Q4_1 => &DecodeQ4_1,
        WeightFormat.Q5_0 => &DecodeQ5_0,
        WeightFormat.Q5_1 => &DecodeQ5_1,
        WeightFormat.Q8_0 => &DecodeQ8_0,
        WeightFormat.IQ4_NL => &DecodeIQ4_NL,
        WeightFormat.Q2_K => &DecodeQ2_K,
        WeightFormat.Q3_K => &DecodeQ3_K,
        WeightFormat.Q4_K => &DecodeQ4_K,
        WeightFormat.Q5_K => &DecodeQ5_K,
        WeightFormat.Q6_K => &DecodeQ6_K,
        WeightFormat.IQ4_XS => &DecodeIQ4_XS,
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Not a weight format."),
    };

    private static void DecodeF32(byte* source, float* destination) => *destination = BitConverter.UInt32BitsToSingle(ReadUInt32(source));

    private static void DecodeF16(byte* source, float* destination) => *destination = ReadHalf(source);

    private static void DecodeBF16(byte* source, float* destination) => *destination = BitConverter.UInt32BitsToSingle((uint)ReadUInt16(source) << 16);

    // Byte l of the codes holds weight l in its low half and weight l + 16 in its high half; so it is in all formats of 32.
    private static void DecodeQ4_0(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        byte* codes = source + 2;
        for (int l = 0; l < Block / 2; l++)
        {
            destination[l] = scale * ((codes[l] & 15) - 8);
            destination[l + 16] = scale * ((codes[l] >> 4) - 8);
        }
    }

    private static void DecodeQ4_1(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        float minimum = ReadHalf(source + 2);
        byte* codes = source + 4;
        for (int l = 0; l < Block / 2; l++)
        {
            destination[l] = (scale * (codes[l] & 15)) + minimum;
            destination[l + 16] = (scale * (codes[l] >> 4)) + minimum;
        }
    }

    private static void DecodeQ5_0(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        uint fifth = ReadUInt32(source + 2);
        byte* codes = source + 6;
        for (int l = 0; l < Block / 2; l++)
        {
            destination[l] = scale * (((codes[l] & 15) | FifthBit(fifth, l)) - 16);
            destination[l + 16] = scale * (((codes[l] >> 4) | FifthBit(fifth, l + 16)) - 16);
        }
    }

    private static void DecodeQ5_1(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        float minimum = ReadHalf(source + 2);
        uint fifth = ReadUInt32(source + 4);
        byte* codes = source + 8;
        for (int l = 0; l < Block / 2; l++)
        {
            destination[l] = (scale * ((codes[l] & 15) | FifthBit(fifth, l))) + minimum;
            destination[l + 16] = (scale * ((codes[l] >> 4) | FifthBit(fifth, l + 16))) + minimum;
        }
    }

    private static void DecodeQ8_0(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        sbyte* codes = (sbyte*)(source + 2);
        for (int l = 0; l < Block; l++)
        {
            destination[l] = scale * codes[l];
        }
    }

    private static void DecodeIQ4_NL(byte* source, float* destination) => DecodeNonlinear(ReadHalf(source), source + 2, destination);

    private static void DecodeNonlinear(float scale, byte* codes, float* destination)
    {
        for (int l = 0; l < Block / 2; l++)
        {
            destination[l] = scale * NonlinearSteps[codes[l] & 15];
            destination[l + 16] = scale * NonlinearSteps[codes[l] >> 4];
        }
    }

    private static int FifthBit(uint bits, int index) => (int)((bits >> index) & 1) << 4;

    private static float ReadHalf(byte* source) => (float)BitConverter.UInt16BitsToHalf(ReadUInt16(source));

    // Byte by byte: blocks have odd sizes, so nothing in them is aligned, and files are little endian.
    private static ushort ReadUInt16(byte* source) => (ushort)(source[0] | (source[1] << 8));

    private static uint ReadUInt32(byte* source) => ReadUInt16(source) | ((uint)ReadUInt16(source + 2) << 16);
}
