using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>A product for cuBLAS: <c>output[row, o] = rows[row] . weights[o]</c> in single precision, everything without gaps.</summary>
/// <param name="Weights">Device address of <c>[outputs, columns]</c>.</param>
/// <param name="Input">Device address of <c>[rows, columns]</c>, in the format of the weights.</param>
/// <param name="Output">Device address of <c>[rows, outputs]</c>, singles.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Outputs">Outputs.</param>
/// <param name="Columns">Columns.</param>
/// <param name="IsBrains">Whether the format is BF16; else it is F16.</param>
internal readonly record struct LibraryProduct(nint Weights, nint Input, nint Output, int Rows, int Outputs, int Columns, int IsBrains);

/// <summary>cuBLAS, found at run time and kept until the process ends. There is no need for it.</summary>
internal sealed unsafe class CublasLibrary
{
    private static readonly ConcurrentDictionary<string, CublasLibrary?> Loaded = new(StringComparer.Ordinal);

    private readonly delegate* unmanaged<int, byte*> _statusName;

    private CublasLibrary(nint library, string name)
    {
        Name = name;
        nint Find(string function) => NativeLibrary.TryGetExport(library, function, out nint address) ? address
            : throw new CudaUnavailableException($"{name} has no function {function}: it is not cuBLAS, or one older than CUDA 11.", function);
        Create = (delegate* unmanaged<nint*, int>)Find("cublasCreate_v2");
        Destroy = (delegate* unmanaged<nint, int>)Find("cublasDestroy_v2");
        SetStream = (delegate* unmanaged<nint, nint, int>)Find("cublasSetStream_v2");
        SetWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)Find("cublasSetWorkspace_v2");
        SetMathMode = (delegate* unmanaged<nint, int, int>)Find("cublasSetMathMode");
        GetVersion = (delegate* unmanaged<nint, int*, int>)Find("cublasGetVersion_v2");
        Multiply = (delegate* unmanaged<nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)Find("cublasGemmEx");
        _statusName = NativeLibrary.TryGetExport(library, "cublasGetStatusName", out nint address) ? (delegate* unmanaged<int, byte*>)address : null;
    }

    /// <summary>Path or name that it was loaded by.</summary>
    public string Name { get; }

    public delegate* unmanaged<nint*, int> Create { get; }

    public delegate* unmanaged<nint, int> Destroy { get; }

    public delegate* unmanaged<nint, nint, int> SetStream { get; }

    public delegate* unmanaged<nint, nint, nuint, int> SetWorkspace { get; }

    public delegate* unmanaged<nint, int, int> SetMathMode { get; }

    public delegate* unmanaged<nint, int*, int> GetVersion { get; }

    /// <summary><c>cublasGemmEx</c>: handle, two operations, m, n, k, alpha, A, its type and leading dimension, B likewise, beta, C likewise, type of the sums, algorithm.</summary>
    public delegate* unmanaged<nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int> Multiply { get; }

    /// <summary>Finds the library.</summary>
    /// <param name="path">Its path; null for what the environment names, and else for the places of <see cref="CublasSearch"/>.</param>
    /// <param name="driverVersion">Newest CUDA version that the driver knows.</param>
    /// <param name="tried">The names that were tried.</param>
    /// <exception cref="CudaUnavailableException">A file is there that is no cuBLAS.</exception>
    public static CublasLibrary? Find(string? path, int driverVersion, out IReadOnlyList<string> tried)
    {
        path ??= Environment.GetEnvironmentVariable(CudaBackendOptions.CublasVariable);
        IReadOnlyList<string> names = tried = string.IsNullOrEmpty(path) ? CublasSearch.Names(driverVersion) : [path];
        return Loaded.GetOrAdd(string.Join(Path.PathSeparator, names), _ => CublasSearch.Load(names) is var (library, name) ? new CublasLibrary(library, name) : null);
    }

    /// <summary>Throws what an error means.</summary>
    /// <param name="status">What the call gave back.</param>
    /// <param name="call">Function of the library.</param>
    /// <param name="details">What was to be done, for the message.</param>
    /// <exception cref="CudaException">The call failed.</exception>
    public void Check(int status, string call, string details)
    {
        if (status != 0)
            throw new CudaException($"{call} failed: {Describe(status)}. {details}", call, status);
    }

    private string Describe(int status)
    {
        string? name = _statusName == null ? null : Marshal.PtrToStringUTF8((nint)_statusName(status));
        return name is null ? $"status {status}" : $"{name} ({status})";
    }
}
