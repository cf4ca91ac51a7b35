using System.Diagnostics.CodeAnalysis;

namespace KvChat.Kernels.Quantization;

/// <summary>Sizes and names of the weight formats; the only place for these constants.</summary>
public static class WeightFormats
{
    /// <summary>Weights in a block of the k-quants and of <see cref="WeightFormat.IQ4_XS"/>.</summary>
    public const int SuperBlock = 256;

    /// <summary>The largest <see cref="BlockSize"/> of all formats, in weights.</summary>
    public const int LargestBlock = SuperBlock;

    private static readonly WeightFormat[] s_all = Enum.GetValues<WeightFormat>();

    /// <summary>Every format, in the order of its ggml number.</summary>
    public static ReadOnlySpan<WeightFormat> All => s_all;

    /// <summary>Weights per block; 1 for the plain float formats.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format.</exception>
    public static int BlockSize(WeightFormat format) => format switch
    {
        WeightFormat.F32 or WeightFormat.F16 or WeightFormat.BF16 => 1,
        WeightFormat.Q4_0 or WeightFormat.Q4_1 or WeightFormat.Q5_0 or WeightFormat.Q5_1 or WeightFormat.Q8_0 or WeightFormat.IQ4_NL => 32,
        WeightFormat.Q2_K or WeightFormat.Q3_K or WeightFormat.Q4_K or WeightFormat.Q5_K or WeightFormat.Q6_K or WeightFormat.IQ4_XS => SuperBlock,
        _ => throw Unknown(format),
    };

    /// <summary>Bytes per block.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format.</exception>
    public static int BlockBytes(WeightFormat format) => format switch
    {
        WeightFormat.F32 => 4,
        WeightFormat.F16 or WeightFormat.BF16 => 2,
        WeightFormat.Q4_0 or WeightFormat.IQ4_NL => 2 + 16,
        WeightFormat.Q4_1 => 2 + 2 + 16,
        WeightFormat.Q5_0 => 2 + 4 + 16,
        WeightFormat.Q5_1 => 2 + 2 + 4 + 16,
        WeightFormat.Q8_0 => 2 + 32,
        WeightFormat.Q2_K => 16 + 64 + 2 + 2,
        WeightFormat.Q3_K => 32 + 64 + 12 + 2,
        WeightFormat.Q4_K => 2 + 2 + 12 + 128,
        WeightFormat.Q5_K => 2 + 2 + 12 + 32 + 128,
        WeightFormat.Q6_K => 128 + 64 + 16 + 2,
        WeightFormat.IQ4_XS => 2 + 2 + 4 + 128,
        _ => throw Unknown(format),
    };

    /// <summary>Bytes of one row of <paramref name="columns"/> weights.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format, or <paramref name="columns"/> is negative or no multiple of <see cref="BlockSize"/>.</exception>
    public static long RowBytes(WeightFormat format, long columns)
    {
        int block = BlockSize(format);
        if (columns < 0 || columns % block != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(columns), columns, $"A row of {Name(format)} has a multiple of {block} weights.");
        }

        return checked(columns / block * BlockBytes(format));
    }

    /// <summary>Whether weights are stored in blocks that share a scale.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format.</exception>
    public static bool IsQuantized(WeightFormat format) => BlockSize(format) > 1;

    /// <summary>The name that ggml's tools print, such as <c>Q4_K</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is no format.</exception>
    public static string Name(WeightFormat format) => Enum.GetName(format) ?? throw Unknown(format);

    /// <summary>The format of a ggml type number, or false where KvChat does not read that type.</summary>
    public static bool TryFromGgml(uint id, out WeightFormat format)
    {
        format = id <= int.MaxValue ? (WeightFormat)id : default;
        bool known = id <= int.MaxValue && Enum.IsDefined(format);
        format = known ? format : default;
        return known;
    }

    /// <summary>
    /// The name of any ggml type number that has ever been given out, also of types that KvChat does not read; false for a number that never was a type.
    /// </summary>
    public static bool TryGetGgmlName(uint id, [NotNullWhen(true)] out string? name)
    {
        name = TryFromGgml(id, out WeightFormat format) ? Name(format) : OtherGgmlName(id);
        return name is not null;
    }

    private static string? OtherGgmlName(uint id) => id switch
    {
        4 => "Q4_2",
        5 => "Q4_3",
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => null,
    };

    private static ArgumentOutOfRangeException Unknown(WeightFormat format) =>
        new(nameof(format), format, "Not a weight format.");
}
