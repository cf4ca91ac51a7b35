using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>Which device torch's tensors are on.</summary>
public sealed class TorchDeviceTests
{
    [Fact]
    public void Auto_takes_a_device_where_torch_and_the_driver_have_one()
    {
        using IComputeBackend backend = TorchBackend.Create(1);
        Assert.IsType(TorchCudaBackend.IsAvailable(0, out _) ? typeof(TorchCudaBackend) : typeof(TorchBackend), backend);
    }

    [Fact]
    public void A_device_that_is_not_there_is_an_error_that_says_why()
    {
        int beyond = TorchCudaBackend.IsAvailable(0, out _) ? cuda.device_count() : 0;
        foreach (TorchBackendOptions options in (TorchBackendOptions[])[new() { Device = TorchDevice.Cuda, DeviceIndex = beyond }, new() { DeviceIndex = beyond + 1 }])
        {
            CudaUnavailableException error = Assert.Throws<CudaUnavailableException>(() => TorchBackend.Create(options));
            Assert.Contains($"CUDA device {options.DeviceIndex}", error.Message, StringComparison.Ordinal);
            Assert.Contains(beyond == 0 ? "TorchSharp-cuda-linux" : "torch sees", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Options_out_of_range_are_named()
    {
        Assert.Contains("DeviceIndex is -1", Assert.Throws<ArgumentException>(() => TorchBackend.Create(new TorchBackendOptions { DeviceIndex = -1 })).Message, StringComparison.Ordinal);
        Assert.Contains("Device is 9", Assert.Throws<ArgumentException>(() => TorchBackend.Create(new TorchBackendOptions { Device = (TorchDevice)9 })).Message, StringComparison.Ordinal);
    }
}
