namespace KvChat.Kernels.Quantization;

/// <content>The formats with blocks of 256: groups of 16 or 32 weights with small scales of their own under one or two halves.</content>
public static unsafe partial class Dequantizer
{
    /// <summary>
    /// The 6-bit scale and minimum of a group of 32 in <see cref="WeightFormat.Q4_K"/> and <see cref="WeightFormat.Q5_K"/>, from the block's 12 bytes of them.
    /// </summary>
    /// <param name="packed">12 bytes: the groups 0 to 3 have theirs in the low 6 bits; the others are put together from halves of bytes 8 to 11 and the two bits left over.</param>
    /// <param name="group">0 to 7.</param>
    /// <param name="scale">0 to 63.</param>
    /// <param name="minimum">0 to 63.</param>
    public static void UnpackScaleAndMinimum(byte* packed, int group, out int scale, out int minimum)
    {
        if (group < 4)
        {
            scale = packed[group] & 63;
            minimum = packed[group + 4] & 63;
        }
        else
        {
            scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
            minimum = (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
        }
    }

    /// <summary>The scale, -32 to 31, of a group of 16 in <see cref="WeightFormat.Q3_K"/>, from the block's 12 bytes of scales.</summary>
    /// <param name="packed">Bytes 0 to 7 hold the low four bits of two groups each, bytes 8 to 11 the upper two bits of four groups each.</param>
    /// <param name="group">0 to 15.</param>
    public static int UnpackScaleQ3_K(byte* packed, int group)
    {
        int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
        int high = (packed[8 + (group % 4)] >> (2 * (group / 4))) & 3;
        return (low | (high << 4)) - 32;
    }

    /// <summary>The scale, -32 to 31, of a group of 32 in <see cref="WeightFormat.IQ4_XS"/>.</summary>
    /// <param name="block">The whole block: a half, 8 times the upper two bits, then 8 times the low four bits.</param>
    /// <param name="group">0 to 7.</param>
    public static int UnpackScaleIQ4_XS(byte* block, int group)
    {
        int high = (ReadUInt16(block + 2) >> (2 * group)) & 3;
        int low = (block[4 + (group / 2)] >> (4 * (group % 2))) & 15;
        return (low | (high << 4)) - 32;
    }

    // Two halves of 128; in each, 32 bytes hold four runs of 32 weights, two bits each. A run has two groups of 16.
    private static void DecodeQ2_K(byte* source, float* destination)
    {
        byte* scales = source;
        byte* codes = source + 16;
        float scale = ReadHalf(source + 80);
        float minimum = ReadHalf(source + 82);
        for (int i = 0; i < WeightFormats.SuperBlock; i++)
        {
            int packed = scales[i / 16];
            int code = (codes[(i / 128 * 32) + (i % 32)] >> (i / 32 % 4 * 2)) & 3;
            destination[i] = (scale * (packed & 15) * code) - (minimum * (packed >> 4));
        }
    }

    // Codes as in Q2_K; the third bit of weight i is bit i / 32 of mask byte i % 32, and where it is not set, 4 is taken away.
    private static void DecodeQ3_K(byte* source, float* destination)
    {
        byte* mask = source;
        byte* codes = source + 32;
        byte* scales = source + 96;
        float scale = ReadHalf(source + 108);
        for (int group = 0; group < 16; group++)
        {
            float groupScale = scale * UnpackScaleQ3_K(scales, group);
            for (int i = group * 16; i < (group + 1) * 16; i++)
            {
                int code = (codes[(i / 128 * 32) + (i % 32)] >> (i / 32 % 4 * 2)) & 3;
                int third = (mask[i % 32] >> (i / 32)) & 1;
                destination[i] = groupScale * ((code | (third << 2)) - 4);
            }
        }
    }

    // 32 bytes hold two groups of 32: one in the low halves, the next in the high halves.
    private static void DecodeQ4_K(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        float minimum = ReadHalf(source + 2);
        byte* codes = source + 16;
        for (int group = 0; group < 8; group++)
        {
            UnpackScaleAndMinimum(source + 4, group, out int groupScale, out int groupMinimum);
            float step = scale * groupScale;
            float below = minimum * groupMinimum;
            for (int l = 0; l < 32; l++)
            {
                int code = (codes[(group / 2 * 32) + l] >> (group % 2 * 4)) & 15;
                destination[(group * 32) + l] = (step * code) - below;
            }
        }
    }

    // As Q4_K; the fifth bit of weight l in a group is bit `group` of byte l.
    private static void DecodeQ5_K(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        float minimum = ReadHalf(source + 2);
        byte* fifth = source + 16;
        byte* codes = source + 48;
        for (int group = 0; group < 8; group++)
        {
            UnpackScaleAndMinimum(source + 4, group, out int groupScale, out int groupMinimum);
            float step = scale * groupScale;
            float below = minimum * groupMinimum;
            for (int l = 0; l < 32; l++)
            {
                int code = (codes[(group / 2 * 32) + l] >> (group % 2 * 4)) & 15;
                code |= ((fifth[l] >> group) & 1) << 4;
                destination[(group * 32) + l] = (step * code) - below;
            }
        }
    }

    // Two halves of 128. In each, 64 bytes hold four bits: runs 0 and 1 of 32 weights in the low halves of bytes, 2 and 3 in the high halves;
    // 32 bytes hold the upper two bits of all four runs.
    private static void DecodeQ6_K(byte* source, float* destination)
    {
        sbyte* scales = (sbyte*)(source + 192);
        float scale = ReadHalf(source + 208);
        for (int i = 0; i < WeightFormats.SuperBlock; i++)
        {
            int half = i / 128;
            int run = i / 32 % 4;
            int low = (source[(half * 64) + (run % 2 * 32) + (i % 32)] >> (run / 2 * 4)) & 15;
            int high = (source[128 + (half * 32) + (i % 32)] >> (run * 2)) & 3;
            destination[i] = scale * scales[i / 16] * ((low | (high << 4)) - 32);
        }
    }

    private static void DecodeIQ4_XS(byte* source, float* destination)
    {
        float scale = ReadHalf(source);
        for (int group = 0; group < 8; group++)
        {
            DecodeNonlinear(scale * UnpackScaleIQ4_XS(source, group), source + 8 + (group * 16), destination + (group * 32));
        }
    }
}
