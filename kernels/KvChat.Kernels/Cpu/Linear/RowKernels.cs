using System.Runtime.Intrinsics;

namespace KvChat.Kernels.Cpu;

/// <summary>What is done to rows before and after the tiles, at one vector width.</summary>
internal unsafe struct RowKernels
{
    /// <summary>Input, weights, epsilon, columns, output.</summary>
    public delegate*<float*, float*, float, int, float*, void> Normalize;

    /// <summary>Input, columns, form, tile, its width, column in it.</summary>
    public delegate*<float*, int, ActivationForm, byte*, int, int, void> Pack;

    /// <summary>Sums, bias, scale, whether to add, output.</summary>
    public delegate*<float*, float*, float, bool, float*, void> Store;

    /// <summary>Output, cap: 16 numbers in place.</summary>
    public delegate*<float*, float, void> Cap;

    /// <summary>Gate, its bias, up, its bias, whether GELU, output.</summary>
    public delegate*<float*, float*, float*, float*, bool, float*, void> Gate;

    /// <summary>The kernels of a width.</summary>
    public static RowKernels Of(int width) => width switch
    {
        512 => Make<Simd512, Vector512<int>, Vector512<float>>(),
        256 => Make<Simd256, Vector256<int>, Vector256<float>>(),
        128 => Make<Simd128, Vector128<int>, Vector128<float>>(),
        _ => Make<SimdScalar, int, float>(),
    };

    private static RowKernels Make<TSimd, TInt, TFloat>()
        where TSimd : struct, ISimd<TInt, TFloat>
        where TInt : struct
        where TFloat : struct => new()
        {
            Normalize = &ActivationPacker<TSimd, TInt, TFloat>.Normalize,
            Pack = &ActivationPacker<TSimd, TInt, TFloat>.Pack,
            Store = &Epilogue<TSimd, TInt, TFloat>.Store,
            Cap = &Epilogue<TSimd, TInt, TFloat>.Cap,
            Gate = &Epilogue<TSimd, TInt, TFloat>.Gate,
        };
}
