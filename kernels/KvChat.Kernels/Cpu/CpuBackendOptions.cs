namespace KvChat.Kernels.Cpu;

/// <summary>How activations enter quantised matrix products.</summary>
public enum ActivationPrecision
{
    /// <summary>Blocks of 32 in 8 bits, integer dot products: fast.</summary>
    Int8,

    /// <summary>fp32 throughout: slower, for comparison with references.</summary>
    Float32,
}

/// <summary>Settings of the CPU back end.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Worker threads, the caller's included; 0 for one per processor that the process may use.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Vector width in bits: 512, 256, 128, or 0 for the scalar reference; null for the widest that the machine has, or what the environment
    /// variable <c>KVCHAT_SIMD</c> says.
    /// </summary>
    public int? SimdWidth { get; init; }

    /// <summary>How activations enter quantised matrix products.</summary>
    public ActivationPrecision Activations { get; init; }
}
