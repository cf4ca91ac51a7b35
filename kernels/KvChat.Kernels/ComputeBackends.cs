using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;

namespace KvChat.Kernels;

/// <summary>Where to compute.</summary>
public enum BackendKind
{
    /// <summary>On a CUDA device where one can be used, else on the processor.</summary>
    Auto,

    /// <summary>On the processor.</summary>
    Cpu,

    /// <summary>On a CUDA device; an error where none can be used.</summary>
    Cuda,
}

/// <summary>Makes the back ends that are at home here.</summary>
public static class ComputeBackends
{
    /// <summary>Makes a back end.</summary>
    /// <param name="kind">Where to compute.</param>
    /// <param name="cpu">Settings for the processor.</param>
    /// <param name="cuda">Settings for the device.</param>
    /// <exception cref="CudaUnavailableException">A device was asked for and none can be used; the message says why.</exception>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public static IComputeBackend Create(BackendKind kind, CpuBackendOptions? cpu = null, CudaBackendOptions? cuda = null)
    {
        if (!Enum.IsDefined(kind))
            throw new ArgumentException($"Backend is {kind}; it must be one of {string.Join(", ", Enum.GetNames<BackendKind>())}.", nameof(kind));
        if (kind == BackendKind.Cuda || (kind == BackendKind.Auto && CudaBackend.IsAvailable(cuda, out _)))
            return new CudaBackend(cuda);
        return new CpuBackend(cpu);
    }
}
