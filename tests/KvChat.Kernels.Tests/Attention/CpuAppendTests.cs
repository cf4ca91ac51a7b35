namespace KvChat.Kernels.Tests.Attention;

public sealed class CpuScalarAppendTests : AppendConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(0, 1);
}

public sealed class Cpu128AppendTests : AppendConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(128, 2);
}

public sealed class Cpu256AppendTests : AppendConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(256, 1);
}

public sealed class Cpu512AppendTests : AppendConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(512, 3);
}

public sealed class CpuArenaTests : ArenaConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(512, 1);
}

public sealed class CpuScalarFormatTests : FormatConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(0, 1);
}

public sealed class Cpu128FormatTests : FormatConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(128, 2);
}

public sealed class Cpu256FormatTests : FormatConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(256, 1);
}

public sealed class Cpu512FormatTests : FormatConformance
{
    protected override IComputeBackend Create() => CpuBackends.Create(512, 3);
}
