using KvChat.Kernels.Quantization;
using KvChat.TestSupport;

namespace KvChat.Kernels.Tests.Quantization;

public sealed class DequantizerTests
{
    private const string Golden = "golden/dequant/dequant.safetensors";

    public static TheoryData<WeightFormat> Formats => [.. WeightFormats.All.ToArray()];

    [SharedTheory(Golden)]
    [MemberData(nameof(Formats))]
    public void Decodes_the_reference_blocks_bit_for_bit(WeightFormat format)
    {
        SafetensorsFile golden = SafetensorsFile.Open(SharedFiles.PathOf(Golden));
        string name = WeightFormats.Name(format);
        float[] expected = golden.Floats($"{name}.values");
        float[] actual = new float[expected.Length];

        Dequantizer.Dequantize(format, golden.Bytes($"{name}.raw"), actual);

        Assert.Equal(Bits(expected), Bits(actual));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public unsafe void Reads_and_writes_whole_blocks_and_nothing_else(WeightFormat format)
    {
        int block = WeightFormats.BlockSize(format);
        byte[] source = new byte[3 * WeightFormats.BlockBytes(format)];
        new Random(7).NextBytes(source);
        float[] whole = new float[3 * block];
        Dequantizer.Dequantize(format, source, whole);

        float[] middle = new float[block + 2];
        fixed (byte* from = source)
        fixed (float* to = middle)
        {
            to[0] = to[block + 1] = 12345;
            Dequantizer.Dequantize(format, from + WeightFormats.BlockBytes(format), to + 1, block);
        }

        Assert.Equal(12345, middle[0]);
        Assert.Equal(12345, middle[^1]);
        Assert.Equal(Bits(whole[block..(2 * block)]), Bits(middle[1..^1]));
    }

    [Fact]
    public void Q8_0_is_scale_times_code()
    {
        byte[] block = new byte[34];
        WriteHalf(block, 0, 0.5f);
        block[2] = unchecked((byte)-128);
        block[33] = 127;

        float[] decoded = Decode(WeightFormat.Q8_0, block);

        Assert.Equal(-64, decoded[0]);
        Assert.Equal(63.5f, decoded[31]);
        Assert.All(decoded[1..31], value => Assert.Equal(0, value));
    }

    [Fact]
    public void Q4_K_takes_scales_of_late_groups_from_three_places()
    {
        byte[] block = new byte[144];
        WriteHalf(block, 0, 1);
        WriteHalf(block, 2, 2);
        block[4 + 1] = 0b10_000011; // group 1: scale 3; group 5: upper bits of the scale 10
        block[4 + 5] = 0b01_000100; // group 1: minimum 4; group 5: upper bits of the minimum 01
        block[4 + 9] = 0b0110_0101; // group 5: low bits of scale 5, of minimum 6
        block[16] = 0xA0; // group 1, weight 0: code 10
        block[16 + 64 + 31] = 0xF0; // group 5, weight 31: code 15

        float[] decoded = Decode(WeightFormat.Q4_K, block);

        Assert.Equal((3 * 10) - (2 * 4), decoded[32]);
        Assert.Equal(-8, decoded[33]);
        Assert.Equal((37 * 15) - (2 * 22), decoded[191]);
        Assert.Equal(0, decoded[0]);
    }

    [Fact]
    public void Q6_K_puts_codes_together_from_four_and_two_bits()
    {
        byte[] block = new byte[210];
        WriteHalf(block, 208, 0.25f);
        block[192 + 15] = unchecked((byte)-3); // the last group of 16
        block[64 + 32 + 31] = 0x90; // run 3 of the second half, weight 31: low bits 9
        block[128 + 32 + 31] = 0b11_000000; // its upper bits

        float[] decoded = Decode(WeightFormat.Q6_K, block);

        Assert.Equal(0.25f * -3 * (9 + 48 - 32), decoded[255]);
        Assert.Equal(0.25f * -3 * -32, decoded[254]);
    }

    [Fact]
    public void Lengths_that_do_not_belong_together_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Dequantizer.Dequantize(WeightFormat.Q8_0, new byte[33], new float[32]));
        Assert.Throws<ArgumentException>(() => Dequantizer.Dequantize(WeightFormat.Q8_0, new byte[35], new float[32]));
        Assert.Throws<ArgumentException>(() => Dequantizer.Dequantize(WeightFormat.Q8_0, new byte[34], new float[31]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Dequantizer.Dequantize((WeightFormat)9, new byte[36], new float[32]));
    }

    [Fact]
    public void Numbers_of_ggml_are_formats_or_named_or_unknown()
    {
        Assert.True(WeightFormats.TryFromGgml(12, out WeightFormat format));
        Assert.Equal(WeightFormat.Q4_K, format);
        Assert.False(WeightFormats.TryFromGgml(16, out _));
        Assert.False(WeightFormats.TryFromGgml(uint.MaxValue, out _));
        Assert.True(WeightFormats.TryGetGgmlName(16, out string? name));
        Assert.Equal("IQ2_XXS", name);
        Assert.False(WeightFormats.TryGetGgmlName(1000, out _));
    }

    [Fact]
    public void Row_bytes_count_whole_blocks_only()
    {
        Assert.Equal(2 * 144, WeightFormats.RowBytes(WeightFormat.Q4_K, 512));
        Assert.Equal(12, WeightFormats.RowBytes(WeightFormat.F32, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightFormats.RowBytes(WeightFormat.Q4_K, 128));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightFormats.RowBytes(WeightFormat.Q4_K, -256));
    }

    private static float[] Decode(WeightFormat format, byte[] block)
    {
        float[] decoded = new float[WeightFormats.BlockSize(format)];
        Dequantizer.Dequantize(format, block, decoded);
        return decoded;
    }

    private static void WriteHalf(byte[] block, int offset, float value) =>
        BitConverter.TryWriteBytes(block.AsSpan(offset), (Half)value);

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}
