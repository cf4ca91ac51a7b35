using System.Runtime.InteropServices;
using KvChat.TestSupport;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>
/// The back end for CUDA tensors: on the machine's device where it has one that torch can use, and else on the fake driver, which adopts the memory of torch's tensors on the processor, so that the same
/// kernels come to it by the same way. Torch knows nothing of the fake driver's streams, so what is launched there runs at once.
/// </summary>
internal static unsafe class EmulatedDevice
{
    /// <summary>Whether there is a true device.</summary>
    public static bool IsReal { get; } = TorchCudaBackend.IsAvailable(0, out _);

    /// <summary>Why there is neither a device nor an emulated one; null where there is one.</summary>
    public static string? Missing => IsReal ? null : FakeDriver.Missing;

    /// <summary>A back end on a fresh device.</summary>
    public static TorchCudaBackend Open()
    {
        if (IsReal)
            return new TorchCudaBackend();
        FakeDriver.Reset(("EAGER", 1));
        return new TorchCudaBackend(new TorchPlace(CPU, Lend, TakeBack), FakeDriver.Options);
    }

    /// <summary>Nothing of the emulated device is taken any more, and it knows of no tensor.</summary>
    public static void AssertGivenBack()
    {
        if (IsReal)
            return;
        Assert.Equal(0, ((delegate* unmanaged<nint>)Export("kvchatFakeAdopted"))());
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    /// <summary>These kernels ran, as far as can be seen.</summary>
    public static void AssertLaunched(params ReadOnlySpan<string> kernels)
    {
        foreach (string kernel in kernels)
            Assert.True(IsReal || FakeDriver.Launches(kernel) > 0, kernel);
    }

    private static void Lend(nint address, long bytes) => ((delegate* unmanaged<nint, nuint, void>)Export("kvchatFakeAdopt"))(address, (nuint)bytes);

    private static void TakeBack(nint address) => ((delegate* unmanaged<nint, void>)Export("kvchatFakeAbandon"))(address);

    private static nint Export(string name) => NativeLibrary.GetExport(NativeLibrary.Load(FakeDriver.Path), name);
}

/// <summary>A fact about CUDA tensors, skipped where there is neither a device nor the means to build the emulated one.</summary>
internal sealed class DeviceFactAttribute : FactAttribute
{
    public DeviceFactAttribute() => Skip = EmulatedDevice.Missing;
}

/// <summary>A theory about CUDA tensors, skipped where there is neither a device nor the means to build the emulated one.</summary>
internal sealed class DeviceTheoryAttribute : TheoryAttribute
{
    public DeviceTheoryAttribute() => Skip = EmulatedDevice.Missing;
}
