namespace KvChat.Kernels.Quantization;

/// <summary>
/// How a model file stores the weights of a tensor. The values are the type numbers of ggml, so that a file's number and the enum agree.
/// </summary>
public enum WeightFormat
{
    /// <summary>32-bit float.</summary>
    F32 = 0,

    /// <summary>IEEE 754 half.</summary>
    F16 = 1,

    /// <summary>Blocks of 32: one half scale, 4-bit codes around 8.</summary>
    Q4_0 = 2,

    /// <summary>Blocks of 32: half scale and half minimum, 4-bit codes.</summary>
    Q4_1 = 3,

    /// <summary>Blocks of 32: one half scale, 5-bit codes around 16.</summary>
    Q5_0 = 6,

    /// <summary>Blocks of 32: half scale and half minimum, 5-bit codes.</summary>
    Q5_1 = 7,

    /// <summary>Blocks of 32: one half scale, signed 8-bit codes.</summary>
    Q8_0 = 8,

    /// <summary>Blocks of 256 in 16 groups: 4-bit scales and minima under two halves, 2-bit codes.</summary>
    Q2_K = 10,

    /// <summary>Blocks of 256 in 16 groups: 6-bit scales under one half, 3-bit codes around 4.</summary>
    Q3_K = 11,

    /// <summary>Blocks of 256 in 8 groups: 6-bit scales and minima under two halves, 4-bit codes.</summary>
    Q4_K = 12,

    /// <summary>Blocks of 256 in 8 groups: 6-bit scales and minima under two halves, 5-bit codes.</summary>
    Q5_K = 13,

    /// <summary>Blocks of 256 in 16 groups: signed 8-bit scales under one half, 6-bit codes around 32.</summary>
    Q6_K = 14,

    /// <summary>Blocks of 32: one half scale, 4-bit indices into a fixed table of 16 uneven steps.</summary>
    IQ4_NL = 20,

    /// <summary>Blocks of 256 in 8 groups: 6-bit scales under one half, indices into the table of <see cref="IQ4_NL"/>.</summary>
    IQ4_XS = 23,

    /// <summary>The upper 16 bits of a 32-bit float.</summary>
    BF16 = 30,
}
