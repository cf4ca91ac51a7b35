using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>A block of a file taken apart, up to 256 weights.</summary>
internal unsafe struct FileBlock
{
    /// <summary>Codes in column order, before any offset is taken away.</summary>
    public fixed byte Codes[256];

    /// <summary>Small scales in order, one per 32 or 16 weights.</summary>
    public fixed short Scales[16];

    /// <summary>Small minima in order.</summary>
    public fixed short Minima[16];

    /// <summary>Bits of the half scale of all.</summary>
    public ushort Scale;

    /// <summary>Bits of the half minimum of all; 0 where there is none.</summary>
    public ushort Minimum;
}

/// <summary>How a file's blocks are read; <see cref="Dequantizer"/> is the reference.</summary>
internal unsafe interface IFileFormat
{
    /// <summary>What is taken from the codes.</summary>
    static abstract int Offset { get; }

    /// <summary>The file's name for the format.</summary>
    static abstract WeightFormat Format { get; }

    static abstract void Read(byte* source, FileBlock* block);
}

/// <summary>Parts that several formats share.</summary>
internal static unsafe class FileBits
{
    public static ushort Half(byte* source) => (ushort)(source[0] | (source[1] << 8));

    /// <summary>16 bytes with weights 0 to 15 in the low halves, 16 to 31 in the high ones.</summary>
    public static void Nibbles(byte* source, byte* codes)
    {
        for (int l = 0; l < 16; l++)
        {
            codes[l] = (byte)(source[l] & 15);
            codes[l + 16] = (byte)(source[l] >> 4);
        }
    }

    /// <summary>32 bits, the fifth of each code.</summary>
    public static void FifthBits(byte* source, byte* codes)
    {
        for (int l = 0; l < 32; l++)
        {
            codes[l] |= (byte)(((source[l / 8] >> (l % 8)) & 1) << 4);
        }
    }

    /// <summary>128 bytes: in each 32, one run of 32 weights in the low halves and the next in the high ones.</summary>
    public static void RunNibbles(byte* source, byte* codes)
    {
        for (int i = 0; i < 256; i++)
        {
            codes[i] = (byte)((source[(i / 64 * 32) + (i % 32)] >> (i / 32 % 2 * 4)) & 15);
        }
    }

    /// <summary>64 bytes: in each 32, four runs of 32 weights of two bits.</summary>
    public static void RunPairs(byte* source, byte* codes)
    {
        for (int i = 0; i < 256; i++)
        {
            codes[i] = (byte)((source[(i / 128 * 32) + (i % 32)] >> (i / 32 % 4 * 2)) & 3);
        }
    }

    public static void ScalesAndMinima(byte* source, FileBlock* block)
    {
        for (int group = 0; group < 8; group++)
        {
            Dequantizer.UnpackScaleAndMinimum(source, group, out int scale, out int minimum);
            block->Scales[group] = (short)scale;
            block->Minima[group] = (short)minimum;
        }
    }
}

internal readonly unsafe struct FileQ4_0 : IFileFormat
{
    public static int Offset => 8;

    public static WeightFormat Format => WeightFormat.Q4_0;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = 0;
        FileBits.Nibbles(source + 2, block->Codes);
    }
}

internal readonly unsafe struct FileQ4_1 : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q4_1;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = FileBits.Half(source + 2);
        FileBits.Nibbles(source + 4, block->Codes);
    }
}

internal readonly unsafe struct FileQ5_0 : IFileFormat
{
    public static int Offset => 16;

    public static WeightFormat Format => WeightFormat.Q5_0;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = 0;
        FileBits.Nibbles(source + 6, block->Codes);
        FileBits.FifthBits(source + 2, block->Codes);
    }
}

internal readonly unsafe struct FileQ5_1 : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q5_1;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = FileBits.Half(source + 2);
        FileBits.Nibbles(source + 8, block->Codes);
        FileBits.FifthBits(source + 4, block->Codes);
    }
}

internal readonly unsafe struct FileQ8_0 : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q8_0;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = 0;
        new ReadOnlySpan<byte>(source + 2, 32).CopyTo(new Span<byte>(block->Codes, 32));
    }
}

internal readonly unsafe struct FileIQ4_NL : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.IQ4_NL;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = 0;
        FileBits.Nibbles(source + 2, block->Codes);
    }
}

internal readonly unsafe struct FileQ2_K : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q2_K;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source + 80);
        block->Minimum = FileBits.Half(source + 82);
        FileBits.RunPairs(source + 16, block->Codes);
        for (int group = 0; group < 16; group++)
        {
            block->Scales[group] = (short)(source[group] & 15);
            block->Minima[group] = (short)(source[group] >> 4);
        }
    }
}

/// <summary>Codes around 4, stored here around 8, so that four-bit formats share an offset.</summary>
internal readonly unsafe struct FileQ3_K : IFileFormat
{
    public static int Offset => 8;

    public static WeightFormat Format => WeightFormat.Q3_K;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source + 108);
        block->Minimum = 0;
        FileBits.RunPairs(source + 32, block->Codes);
        for (int i = 0; i < 256; i++)
        {
            block->Codes[i] += (byte)(4 + (((source[i % 32] >> (i / 32)) & 1) << 2));
        }

        for (int group = 0; group < 16; group++)
        {
            block->Scales[group] = (short)Dequantizer.UnpackScaleQ3_K(source + 96, group);
        }
    }
}

internal readonly unsafe struct FileQ4_K : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q4_K;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = FileBits.Half(source + 2);
        FileBits.ScalesAndMinima(source + 4, block);
        FileBits.RunNibbles(source + 16, block->Codes);
    }
}

internal readonly unsafe struct FileQ5_K : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.Q5_K;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = FileBits.Half(source + 2);
        FileBits.ScalesAndMinima(source + 4, block);
        FileBits.RunNibbles(source + 48, block->Codes);
        for (int i = 0; i < 256; i++)
        {
            block->Codes[i] |= (byte)(((source[16 + (i % 32)] >> (i / 32)) & 1) << 4);
        }
    }
}

internal readonly unsafe struct FileQ6_K : IFileFormat
{
    public static int Offset => 32;

    public static WeightFormat Format => WeightFormat.Q6_K;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source + 208);
        block->Minimum = 0;
        for (int i = 0; i < 256; i++)
        {
            int half = i / 128;
            int run = i / 32 % 4;
            int low = (source[(half * 64) + (run % 2 * 32) + (i % 32)] >> (run / 2 * 4)) & 15;
            int high = (source[128 + (half * 32) + (i % 32)] >> (run * 2)) & 3;
            block->Codes[i] = (byte)(low | (high << 4));
        }

        for (int group = 0; group < 16; group++)
        {
            block->Scales[group] = (sbyte)source[192 + group];
        }
    }
}

internal readonly unsafe struct FileIQ4_XS : IFileFormat
{
    public static int Offset => 0;

    public static WeightFormat Format => WeightFormat.IQ4_XS;

    public static void Read(byte* source, FileBlock* block)
    {
        block->Scale = FileBits.Half(source);
        block->Minimum = 0;
        for (int group = 0; group < 8; group++)
        {
            block->Scales[group] = (short)Dequantizer.UnpackScaleIQ4_XS(source, group);
            FileBits.Nibbles(source + 8 + (group * 16), block->Codes + (group * 32));
        }
    }
}
