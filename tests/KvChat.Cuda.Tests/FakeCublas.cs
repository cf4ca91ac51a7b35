using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda;

namespace KvChat.Cuda.Tests;

/// <summary>The fake <c>libcublas.so.12</c> that is built beside the fake driver.</summary>
internal static unsafe class FakeCublas
{
    /// <summary>Options that name it.</summary>
    public static CudaBackendOptions Options => FakeDriver.Options with { Products = CudaProductSource.Cublas, CublasPath = FakeDriver.CublasPath };

    /// <summary>Products since the last <see cref="Reset"/>.</summary>
    public static long Calls => ((delegate* unmanaged<nint>)Export("kvchatCublasCalls"))();

    /// <summary>Handles that are open.</summary>
    public static long Handles => ((delegate* unmanaged<nint>)Export("kvchatCublasHandles"))();

    /// <summary>Makes the library as new; the product of that number fails with a status.</summary>
    public static void Reset(int failAt = 0, int status = 0) => ((delegate* unmanaged<nint, int, void>)Export("kvchatCublasReset"))(failAt, status);

    /// <summary>A back end on a fresh fake device that multiplies by it.</summary>
    public static CudaBackend Open(bool usesGraphs = true)
    {
        FakeDriver.Reset();
        CudaBackend backend = new(Options with { UsesGraphs = usesGraphs });
        Reset();
        return backend;
    }

    private static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.Load(FakeDriver.CublasPath), name);
}
