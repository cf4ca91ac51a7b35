using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Tests.Attention;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Cuda.Tests;

/// <summary>The CUDA back end through its real binding, on the fake driver that runs the kernels' sources.</summary>
public sealed class CudaArenaTests : ArenaConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}

public sealed class CudaAppendTests : AppendConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}

public sealed class CudaAttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}

public sealed class CudaFormatTests : FormatConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}

/// <summary>Activations are not rounded to 8 bits, whatever is asked for: the bounds of the other path are wider.</summary>
public sealed class CudaLinearTests : LinearConformance
{
    protected override IComputeBackend Create(ActivationPrecision activations) => FakeDriver.Open();
}

public sealed class CudaFamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => FakeDriver.Open();
}

public sealed class CudaTopTests : TopConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}
