using System.Runtime.InteropServices;
using KvChat.Cuda.Tests;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>
/// The back end for CUDA tensors where there is no device: the fake driver adopts the memory of torch's tensors on the processor, so that the same kernels come to it by the same way. Torch knows nothing
/// of the fake driver's streams, so what is launched runs at once.
/// </summary>
internal static unsafe class EmulatedDevice
{
    /// <summary>A back end on a fresh fake device.</summary>
    public static TorchCudaBackend Open()
    {
        FakeDriver.Reset(("EAGER", 1));
        return new TorchCudaBackend(new TorchPlace(CPU, Lend, TakeBack), FakeDriver.Options);
    }

    /// <summary>Torch's tensors that the device knows of.</summary>
    public static long Lent => ((delegate* unmanaged<nint>)Export("kvchatFakeAdopted"))();

    private static void Lend(nint address, long bytes) => ((delegate* unmanaged<nint, nuint, void>)Export("kvchatFakeAdopt"))(address, (nuint)bytes);

    private static void TakeBack(nint address) => ((delegate* unmanaged<nint, void>)Export("kvchatFakeAbandon"))(address);

    private static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.Load(FakeDriver.Path), name);
}
