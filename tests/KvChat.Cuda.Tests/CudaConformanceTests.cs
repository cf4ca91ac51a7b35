using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Tests.Attention;
using KvChat.Kernels.Tests.Linear;
using KvChat.TestSupport;

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

    /// <summary>The device takes the weights of chosen experts by their addresses; the host is told the choice for many rows alone.</summary>
    [Fact]
    public void Few_rows_take_experts_by_address()
    {
        A_row_has_the_same_bits_whoever_shares_its_experts(KvChat.Kernels.Quantization.WeightFormat.Q8_0, 64);
        Assert.True(FakeDriver.Launches("kv_multiply_expert_Q8_0") > 0);
        Assert.True(FakeDriver.Launches("kv_multiply_32_Q8_0") > 0);
    }
}

public sealed class CudaTopTests : TopConformance
{
    protected override IComputeBackend Create() => FakeDriver.Open();
}

public sealed class CudaProductFormTests : ProductFormConformance
{
    protected override CudaBackend Create(int? multiprocessors = null)
    {
        FakeDriver.Reset();
        return new CudaBackend(FakeDriver.Options with { Multiprocessors = multiprocessors });
    }
}

public sealed class CublasProductTests : LibraryProductConformance
{
    protected override CudaBackend Create() => FakeCublas.Open();

    protected override void Check(CudaBackend backend)
    {
        Assert.Equal(1, FakeCublas.Calls);
        Assert.Contains("cuBLAS 12.4", backend.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_left_of_a_library_that_is_closed()
    {
        FakeCublas.Open().Dispose();
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
        Assert.Equal(0, FakeCublas.Handles);
    }
}

public sealed class DeviceEvictionTests : EvictionConformance
{
    protected override CudaBackend Create(int seed) => FakeDriver.Open(("ORDER", seed % 3));
}

public sealed class SelectionTests : SelectionConformance
{
    protected override CudaBackend Create(int seed) => FakeDriver.Open(("ORDER", seed % 3));
}

public sealed class CudaGeneratedWeightsTests : GeneratedWeightsConformance
{
    protected override CudaBackend Create() => FakeDriver.Open();
}

public sealed class PageRingTests : PageRingConformance
{
    protected override CudaBackend Create() => FakeDriver.Open();
}
