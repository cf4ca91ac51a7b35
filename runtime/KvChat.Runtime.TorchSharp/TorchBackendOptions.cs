namespace KvChat.Runtime.TorchSharp;

/// <summary>Where torch's tensors are.</summary>
public enum TorchDevice
{
    /// <summary>On a CUDA device where torch and the driver have one, else on the processor.</summary>
    Auto,

    /// <summary>On the processor.</summary>
    Cpu,

    /// <summary>On a CUDA device; an error where there is none.</summary>
    Cuda,
}

/// <summary>Settings of the back ends on torch.</summary>
public sealed record TorchBackendOptions
{
    /// <summary>Where tensors are.</summary>
    public TorchDevice Device { get; init; }

    /// <summary>Number of the CUDA device, 0 for the first. Another than 0 means <see cref="TorchDevice.Cuda"/> where <see cref="Device"/> is <see cref="TorchDevice.Auto"/>.</summary>
    public int DeviceIndex { get; init; }

    /// <summary>On the processor, worker threads of the kernels and of torch, whose number holds for the whole process; 0 for one per processor and for torch's own choice.</summary>
    public int Threads { get; init; }
}
