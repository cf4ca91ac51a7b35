using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Tests.Attention;

internal static class CpuBackends
{
    /// <summary>A back end of that width, or of the widest that the machine has.</summary>
    public static CpuBackend Create(int width, int threads) =>
        new(new CpuBackendOptions { SimdWidth = Math.Min(width, SimdWidths.Widest), Threads = threads });
}

public sealed class CpuScalarAttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(0, 1);
}

public sealed class Cpu128AttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(128, 1);
}

public sealed class Cpu256AttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(256, 2);
}

public sealed class Cpu512AttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(512, 1);
}

public sealed class Cpu512ThreadsAttentionTests : AttentionConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(512, 3);
}
