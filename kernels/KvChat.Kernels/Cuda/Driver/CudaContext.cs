using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>The primary context of a device, which all libraries in the process share.</summary>
internal sealed unsafe class CudaContext : IDisposable
{
    private const int OldestCapability = 80;

    // CUdevice_attribute.
    private const int MultiprocessorCount = 16, CapabilityMajor = 75, CapabilityMinor = 76, LargestSharedOptIn = 97, PoolsSupported = 115;

    private readonly int _device;
    private nint _handle;

    /// <summary>Retains the context of a device.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver or no device, or one that is too old.</exception>
    /// <exception cref="ArgumentException">There are fewer devices.</exception>
    public CudaContext(CudaDriver driver, int device)
    {
        Driver = driver;
        DriverFunctions functions = driver.Functions;
        int count, handle;
        driver.Check(functions.DeviceGetCount(&count), "cuDeviceGetCount");
        if (count == 0)
            throw new CudaUnavailableException("The CUDA driver finds no device.", "cuDeviceGetCount");
        if ((uint)device >= (uint)count)
            throw new ArgumentException($"{nameof(CudaBackendOptions.Device)} is {device}; the driver has {count} {(count == 1 ? "device, number 0" : $"devices, 0 to {count - 1}")}.", nameof(device));
        driver.Check(functions.DeviceGet(&handle, device), "cuDeviceGet");
        _device = handle;
        Name = NameOf(handle);
        Capability = (Attribute(CapabilityMajor) * 10) + Attribute(CapabilityMinor);
        if (Capability < OldestCapability)
            throw new CudaUnavailableException($"{Name} has compute capability {Capability / 10}.{Capability % 10}; the kernels need 8.0 (Ampere) or later.", "cuDeviceGetAttribute");
        Multiprocessors = Math.Max(1, Attribute(MultiprocessorCount));
        LargestShared = Attribute(LargestSharedOptIn);
        nint context;
        driver.Check(functions.DevicePrimaryCtxRetain(&context, handle), "cuDevicePrimaryCtxRetain", $"The device is {Name}.");
        _handle = context;
        MakeCurrent();
    }

    /// <summary>The driver.</summary>
    public CudaDriver Driver { get; }

    /// <summary>The device, as a number of the driver's.</summary>
    public int Device => _device;

    /// <summary>Name of the device.</summary>
    public string Name { get; }

    /// <summary>Ten times the compute capability.</summary>
    public int Capability { get; }

    /// <summary>Multiprocessors of the device.</summary>
    public int Multiprocessors { get; }

    /// <summary>Most bytes of shared memory that a block can have when it asks for them.</summary>
    public int LargestShared { get; }

    /// <summary>Whether the driver keeps pools of device memory.</summary>
    public bool HasPools => Driver.Functions.MemAllocAsync != null && Driver.Functions.MemFreeAsync != null && Attribute(PoolsSupported) != 0;

    /// <summary>Makes this the context of the calling thread. Cheap; done before every piece of work, since callers change threads.</summary>
    /// <exception cref="ObjectDisposedException">The context has been released.</exception>
    public void MakeCurrent()
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        Driver.Check(Driver.Functions.CtxSetCurrent(_handle), "cuCtxSetCurrent");
    }

    /// <summary>Free and total bytes of device memory.</summary>
    public (long Free, long Total) Memory()
    {
        MakeCurrent();
        nuint free, total;
        Driver.Check(Driver.Functions.MemGetInfo(&free, &total), "cuMemGetInfo");
        return ((long)free, (long)total);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle == 0)
            return;
        _handle = 0;
        _ = Driver.Functions.DevicePrimaryCtxRelease(_device);
    }

    private int Attribute(int attribute)
    {
        int value;
        Driver.Check(Driver.Functions.DeviceGetAttribute(&value, attribute, _device), "cuDeviceGetAttribute", $"The attribute is {attribute}.");
        return value;
    }

    private string NameOf(int device)
    {
        byte* name = stackalloc byte[256];
        Driver.Check(Driver.Functions.DeviceGetName(name, 256, device), "cuDeviceGetName");
        return Marshal.PtrToStringUTF8((nint)name) ?? string.Empty;
    }
}
