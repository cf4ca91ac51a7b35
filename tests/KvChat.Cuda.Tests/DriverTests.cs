using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Cuda.Tests;

/// <summary>What the binding says when something is missing or goes wrong.</summary>
public sealed class DriverTests
{
    [EmulatorFact]
    public void The_suites_run_on_the_fake_driver() => Assert.True(File.Exists(FakeDriver.Path));

    [Fact]
    public void A_driver_that_is_not_there_is_named()
    {
        CudaUnavailableException missing = Assert.Throws<CudaUnavailableException>(() => new CudaBackend(new CudaBackendOptions { DriverPath = "/nowhere/libcuda.so.1" }));
        Assert.Contains("/nowhere/libcuda.so.1", missing.Message, StringComparison.Ordinal);
        Assert.False(CudaBackend.IsAvailable(new CudaBackendOptions { DriverPath = "/nowhere/libcuda.so.1" }, out string? reason));
        Assert.Equal(missing.Message, reason);
    }

    [EmulatorFact]
    public void A_driver_that_is_too_old_names_its_version_and_the_one_needed()
    {
        CudaUnavailableException old = Assert.Throws<CudaUnavailableException>(() => FakeDriver.Open(("DRIVER_VERSION", 10020)));
        Assert.Contains("10.2", old.Message, StringComparison.Ordinal);
        Assert.Contains("11.0", old.Message, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void A_machine_without_a_device_says_so()
    {
        CudaUnavailableException none = Assert.Throws<CudaUnavailableException>(() => FakeDriver.Open(("DEVICES", 0)));
        Assert.Equal("cuInit", none.Call);
        Assert.Equal(100, none.Code);
    }

    [EmulatorFact]
    public void A_device_below_capability_8_names_it()
    {
        CudaUnavailableException old = Assert.Throws<CudaUnavailableException>(() => FakeDriver.Open(("CAPABILITY", "7.5")));
        Assert.Contains("7.5", old.Message, StringComparison.Ordinal);
        Assert.Contains("8.0", old.Message, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void A_device_number_that_is_not_there_names_those_that_are()
    {
        FakeDriver.Reset(("DEVICES", 2));
        ArgumentException wrong = Assert.Throws<ArgumentException>(() => new CudaBackend(FakeDriver.Options with { Device = 2 }));
        Assert.Contains("Device is 2", wrong.Message, StringComparison.Ordinal);
        Assert.Contains("0 to 1", wrong.Message, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void Too_little_memory_says_what_was_asked_and_what_is_free() => PoolStaysBelowTheFreeMemory(spills: 0);

    /// <summary>Windows gives out the host's memory where the device's is full, without a word: the pool must be refused all the same.</summary>
    [EmulatorFact]
    public void A_pool_is_never_larger_than_the_devices_own_memory_where_the_driver_spills() => PoolStaysBelowTheFreeMemory(spills: 1);

    private static void PoolStaysBelowTheFreeMemory(int spills)
    {
        using CudaBackend backend = FakeDriver.Open(("MEMORY", 64 << 20), ("SPILLS", spills));
        CudaOutOfMemoryException full = Assert.Throws<CudaOutOfMemoryException>(() => backend.CreateArena(new KvArenaShape(64, 16, 100_000)));
        Assert.Equal(100_000L * ArenaArguments.StrideOf(new KvArenaShape(64, 16, 100_000)), full.AskedBytes);
        Assert.InRange(full.FreeBytes, 1, 64 << 20);
        Assert.Contains($"{full.AskedBytes} bytes", full.Message, StringComparison.Ordinal);
        Assert.Contains($"{full.FreeBytes} are free", full.Message, StringComparison.Ordinal);
        using KvArena fits = backend.CreateArena(new KvArenaShape(64, 16, 100));
        Assert.Equal(100, fits.Shape.PageCount);
    }

    [EmulatorTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_launch_that_fails_is_named_with_its_shapes(bool waits)
    {
        FakeDriver.Reset(("FAIL_LAUNCH", 1));
        using CudaBackend backend = new(FakeDriver.Options with { WaitsForLaunches = waits });
        using KvArena arena = backend.CreateArena(new KvArenaShape(64, 16, 8));
        CudaException failed = Assert.Throws<CudaException>(() => ReadScores(arena));
        Assert.Contains("kv_read_field with 1 x 1 x 1 blocks of 256 threads", failed.Message, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_LAUNCH_FAILED (719)", failed.Message, StringComparison.Ordinal);
        Assert.Equal("cuStreamSynchronize", failed.Call);
    }

    [EmulatorTheory]
    [InlineData(0)]
    [InlineData(1)]
    public void Nothing_is_taken_once_a_back_end_is_gone(int pools)
    {
        CudaBackend backend = FakeDriver.Open(("POOLS", pools));
        DeviceTensor tensor = backend.CreateTensor(3, 5);
        KvArena arena = backend.CreateArena(new KvArenaShape(64, 16, 8));
        ReadScores(arena);
        arena.Dispose();
        backend.Dispose();
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
        tensor.Dispose();
        backend.Dispose();
    }

    [EmulatorFact]
    public void Uploads_larger_than_the_pinned_ring_arrive_whole()
    {
        using CudaBackend backend = FakeDriver.Open();
        int columns = (6 * PinnedRing.BlockBytes / sizeof(float)) + 3;
        using DeviceTensor tensor = backend.CreateTensor(2, columns);
        float[] sent = [.. Enumerable.Range(0, columns).Select(i => (float)i)], back = new float[columns];
        backend.Write(tensor, 1, sent);
        backend.Write(tensor, 0, new float[columns]);
        backend.Read(tensor, 1, back);
        Assert.Equal(sent, back);
    }

    private static unsafe void ReadScores(KvArena arena)
    {
        int page = 3;
        arena.ReadScores(new HeadView(&page, 5), KvFormat.F16, new float[5]);
    }
}
