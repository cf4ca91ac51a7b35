namespace KvChat.Kernels.Cuda;

/// <summary>Settings of the CUDA back end.</summary>
public sealed record CudaBackendOptions
{
    /// <summary>Environment variable that names the driver's library where <see cref="DriverPath"/> is null.</summary>
    public const string DriverVariable = "KVCHAT_CUDA_DRIVER";

    /// <summary>Environment variable that names cuBLAS where <see cref="CublasPath"/> is null.</summary>
    public const string CublasVariable = "KVCHAT_CUBLAS";

    /// <summary>Number of the device, 0 for the first.</summary>
    public int Device { get; init; }

    /// <summary>
    /// Path of the driver's library; null for what the environment variable <see cref="DriverVariable"/> names, and else for the system's own
    /// (<c>nvcuda.dll</c>, <c>libcuda.so.1</c>).
    /// </summary>
    public string? DriverPath { get; init; }

    /// <summary>Who multiplies many rows with weights of F16 and BF16.</summary>
    public CudaProductSource Products { get; init; }

    /// <summary>
    /// Path of cuBLAS; null for what the environment variable <see cref="CublasVariable"/> names, and else for <c>libcublas.so</c> or <c>cublas64.dll</c> of CUDA 13, 12 or 11, as the driver has it: beside the
    /// program, in the toolkit that <c>CUDA_PATH</c> names (else <c>/usr/local/cuda</c>), and where the system looks.
    /// </summary>
    public string? CublasPath { get; init; }

    /// <summary>Whether every launch is waited for, so that an error names the kernel that made it. Slow; for the search of errors.</summary>
    public bool WaitsForLaunches { get; init; }

    /// <summary>Whether work that repeats is launched as a graph: decode steps, whose many small launches else keep the processor busy longer than the device.</summary>
    public bool UsesGraphs { get; init; } = true;

    /// <summary>Multiprocessors that work is cut for; null for as many as the device has. Tests choose the forms of products by it.</summary>
    internal int? Multiprocessors { get; init; }
}
