using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Tests.Attention;
using KvChat.Kernels.Tests.Linear;

namespace KvChat.Runtime.TorchSharp.Tests;

/// <summary>Activations are fp32 whatever is asked for: the bounds of the other path are wider.</summary>
public sealed class TorchLinearTests : LinearConformance
{
    protected override IComputeBackend Create(ActivationPrecision activations) => new TorchBackend(1);
}

public sealed class TorchFamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => new TorchBackend(threads);
}

public sealed class TorchAttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => new TorchBackend(2);
}

public sealed class TorchAppendTests : AppendConformance
{
    protected override IComputeBackend Create() => new TorchBackend(1);
}

public sealed class TorchArenaTests : ArenaConformance
{
    protected override IComputeBackend Create() => new TorchBackend(1);
}

public sealed class TorchFormatTests : FormatConformance
{
    protected override IComputeBackend Create() => new TorchBackend(1);
}
