using System.Reflection;
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

    /// <summary>On TorchSharp's tensors: of a CUDA device where torch has one, else of the processor. The program must reference the package KvChat.Runtime.TorchSharp.</summary>
    TorchSharp,
}

/// <summary>Makes the back ends that are at home here, and finds those that come with packages of their own.</summary>
public static class ComputeBackends
{
    /// <summary>Makes a back end.</summary>
    /// <param name="kind">Where to compute.</param>
    /// <param name="cpu">Settings for the processor.</param>
    /// <param name="cuda">Settings for the device.</param>
    /// <exception cref="CudaUnavailableException">A device was asked for and none can be used; the message says why.</exception>
    /// <exception cref="ArgumentException">A setting is out of range, or the back end's package is not there; the message names it.</exception>
    /// <exception cref="NotSupportedException">What the back end's package stands on is not there; the message says what.</exception>
    public static IComputeBackend Create(BackendKind kind, CpuBackendOptions? cpu = null, CudaBackendOptions? cuda = null)
    {
        if (!Enum.IsDefined(kind))
            throw new ArgumentException($"Backend is {kind}; it must be one of {string.Join(", ", Enum.GetNames<BackendKind>())}.", nameof(kind));
        if (kind == BackendKind.TorchSharp)
            return FromPackage("KvChat.Runtime.TorchSharp", kind).Create(cpu?.Threads ?? 0, cuda?.Device ?? 0);
        if (kind == BackendKind.Cuda || (kind == BackendKind.Auto && CudaBackend.IsAvailable(cuda, out _)))
            return new CudaBackend(cuda);
        return new CpuBackend(cpu);
    }

    private static IComputeBackendSource FromPackage(string package, BackendKind kind)
    {
        try
        {
            if (Assembly.Load(new AssemblyName(package)).GetCustomAttribute<ComputeBackendSourceAttribute>() is { } found && Activator.CreateInstance(found.Source) is IComputeBackendSource source)
                return source;
            throw new ArgumentException($"Backend is {kind}, and the {package} at hand is of another version: it says nothing about its back end.", nameof(kind));
        }
        catch (FileNotFoundException missing)
        {
            throw new ArgumentException($"Backend is {kind}, which comes with the package {package}; the program does not have it. Reference it, or choose Auto, Cpu or Cuda.", nameof(kind), missing);
        }
    }
}
