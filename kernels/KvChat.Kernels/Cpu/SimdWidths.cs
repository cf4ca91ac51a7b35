using System.Globalization;
using System.Runtime.Intrinsics.X86;

namespace KvChat.Kernels.Cpu;

/// <summary>Which vector widths there are, and which one is to be used.</summary>
internal static class SimdWidths
{
    /// <summary>Name of the environment variable that forces a width.</summary>
    public const string Variable = "KVCHAT_SIMD";

    /// <summary>The widest that this machine has, in bits; 0 where it has none.</summary>
    public static int Widest => Supports(512) ? 512 : Supports(256) ? 256 : Supports(128) ? 128 : 0;

    /// <summary>Whether kernels of that width run here. They need fused multiply-add: all widths round alike.</summary>
    public static bool Supports(int width) => width switch
    {
        0 => true,
        128 => Fma.IsSupported && Sse41.IsSupported,
        256 => Avx2.IsSupported && Fma.IsSupported,
        512 => Avx512BW.IsSupported && Avx512DQ.IsSupported && Fma.IsSupported,
        _ => false,
    };

    /// <summary>The width to use: what the options say, else what the environment says, else the widest.</summary>
    /// <exception cref="ArgumentException">The width is none of 0, 128, 256 and 512.</exception>
    /// <exception cref="PlatformNotSupportedException">The machine lacks it.</exception>
    public static int Resolve(int? asked, string? environment)
    {
        string source = nameof(CpuBackendOptions.SimdWidth);
        if (asked is null && !string.IsNullOrWhiteSpace(environment))
        {
            source = Variable;
            asked = int.TryParse(environment, NumberStyles.None, CultureInfo.InvariantCulture, out int parsed)
                ? parsed
                : throw new ArgumentException($"{source} is '{environment}'; it can be 512, 256, 128 or 0 (scalar).");
        }

        int width = asked ?? Widest;
        if (width is not (0 or 128 or 256 or 512))
            throw new ArgumentException($"{source} is {width}; it can be 512, 256, 128 or 0 (scalar).");
        return Supports(width) ? width : throw new PlatformNotSupportedException($"{source} is {width}, but this machine's widest vectors have {Widest} bits.");
    }

    /// <summary>The instruction set of a width, for people.</summary>
    public static string Name(int width) => width switch
    {
        512 => "AVX-512",
        256 => "AVX2",
        128 => "SSE",
        _ => "scalar",
    };
}
