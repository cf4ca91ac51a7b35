using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Tests.Linear;

public sealed class CpuTopTests : TopConformance
{
    protected override IComputeBackend Create() => new CpuBackend();
}
