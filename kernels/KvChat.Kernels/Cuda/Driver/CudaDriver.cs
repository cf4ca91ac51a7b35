using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda.Driver;

/// <summary>The library of the CUDA driver, found at run time and kept until the process ends: drivers are not made to be unloaded.</summary>
internal sealed unsafe class CudaDriver
{
    /// <summary>The oldest driver that reads the kernels (PTX 7.0), as the driver counts: CUDA 11.0.</summary>
    public const int OldestVersion = 11000;

    private const int Success = 0, NoDevice = 100;

    private static readonly ConcurrentDictionary<string, CudaDriver> Loaded = new(StringComparer.Ordinal);

    private CudaDriver(nint library, string name)
    {
        Functions = new DriverFunctions(library, name);
        Name = name;
    }

    /// <summary>Functions of the library.</summary>
    public DriverFunctions Functions { get; }

    /// <summary>Path or name that it was loaded by.</summary>
    public string Name { get; }

    /// <summary>Newest CUDA version that the driver knows, e.g. 12040 for 12.4.</summary>
    public int Version { get; private set; }

    /// <summary>Loads the driver and initialises it.</summary>
    /// <param name="path">Path of the library; null for the one that the environment names or the system has.</param>
    /// <exception cref="CudaUnavailableException">There is no driver, it is too old, or it finds no device.</exception>
    public static CudaDriver Load(string? path)
    {
        string name = path ?? Environment.GetEnvironmentVariable(CudaBackendOptions.DriverVariable) ?? string.Empty;
        if (name.Length == 0)
            name = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        CudaDriver driver = Loaded.GetOrAdd(name, Open);
        driver.Initialize();
        return driver;
    }

    /// <summary>Throws what an error means.</summary>
    /// <param name="result">What the call gave back.</param>
    /// <param name="call">Function of the driver API.</param>
    /// <param name="details">What was to be done, for the message.</param>
    /// <exception cref="CudaException">The call failed.</exception>
    public void Check(int result, string call, string? details = null)
    {
        if (result != Success)
            throw new CudaException($"{call} failed: {Describe(result)}.{(details is null ? string.Empty : " ")}{details}", call, result);
    }

    /// <summary>An error in the driver's words.</summary>
    public string Describe(int result)
    {
        byte* name = null, text = null;
        bool known = Functions.GetErrorName(result, &name) == Success && name != null;
        if (!known)
            return $"error {result}, which the driver has no name for";
        bool told = Functions.GetErrorString(result, &text) == Success && text != null;
        return $"{Marshal.PtrToStringUTF8((nint)name)} ({result}){(told ? ", " + Marshal.PtrToStringUTF8((nint)text) : string.Empty)}";
    }

    private static CudaDriver Open(string name)
    {
        try
        {
            return new CudaDriver(NativeLibrary.Load(name), name);
        }
        catch (Exception inner) when (inner is DllNotFoundException or BadImageFormatException)
        {
            throw new CudaUnavailableException($"There is no CUDA driver here: {name} cannot be loaded. NVIDIA's display driver brings it.", inner: inner);
        }
    }

    private void Initialize()
    {
        int result = Functions.Init(0);
        if (result == NoDevice)
            throw new CudaUnavailableException("The CUDA driver finds no device.", "cuInit", result);
        if (result != Success)
            throw new CudaUnavailableException($"The CUDA driver {Name} does not start; cuInit failed: {Describe(result)}.", "cuInit", result);
        int version;
        Check(Functions.DriverGetVersion(&version), "cuDriverGetVersion");
        Version = version;
        if (version < OldestVersion)
        {
            throw new CudaUnavailableException(
                $"The CUDA driver is too old: it knows CUDA {version / 1000}.{version % 1000 / 10}, the kernels need {OldestVersion / 1000}.{OldestVersion % 1000 / 10} (release 450) or later.", "cuDriverGetVersion");
        }
    }
}
