using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Tests.Attention;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>The suite of the contract with torch's tensors on a CUDA device, or in the memory of an emulated one.</summary>
public sealed class TorchCudaLinearTests : LinearConformance
{
    protected override IComputeBackend Create(ActivationPrecision activations) => EmulatedDevice.Open();
}

public sealed class TorchCudaFamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => EmulatedDevice.Open();
}

public sealed class TorchCudaAttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => EmulatedDevice.Open();
}

public sealed class TorchCudaAppendTests : AppendConformance
{
    protected override IComputeBackend Create() => EmulatedDevice.Open();
}

public sealed class TorchCudaArenaTests : ArenaConformance
{
    protected override IComputeBackend Create() => EmulatedDevice.Open();
}

public sealed class TorchCudaFormatTests : FormatConformance
{
    protected override IComputeBackend Create() => EmulatedDevice.Open();
}

public sealed class TorchCudaTopTests : TopConformance
{
    protected override IComputeBackend Create() => EmulatedDevice.Open();
}
