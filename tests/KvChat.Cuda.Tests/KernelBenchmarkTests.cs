extern alias gpu;

using System.Text.Json;
using gpu::KvChat.Gpu;
using gpu::KvChat.Gpu.Benchmarks;
using gpu::KvChat.Gpu.Shapes;
using KvChat.Kernels.Cuda;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>The benchmarks of kernels on the fake driver: they measure what they say, whatever their times are.</summary>
public sealed class KernelBenchmarkTests : IDisposable
{
    private readonly string _json = Path.GetTempFileName();
    private readonly StringWriter _output = new();

    public void Dispose()
    {
        File.Delete(_json);
        _output.Dispose();
    }

    [EmulatorTheory]
    [InlineData("copy", "kv_none", 1)]
    [InlineData("decode attention", "kv_append", 8)]
    [InlineData("prefill attention", "kv_append", 6)]
    [InlineData("dense", "kv_random_Q4_K", 12)]
    [InlineData("step", "kv_embed_Q4_K", 5)]
    [InlineData("eviction", "kv_select_drop", 1)]
    public void Every_part_measures_all_its_cells_and_leaves_nothing_behind(string part, string kernel, int least)
    {
        FakeDriver.Reset();
        Assert.Equal(0, Run(part));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(_json));
        Assert.Equal(0, json.RootElement.GetProperty("failed").GetInt32());
        Assert.Contains("CUDA", json.RootElement.GetProperty("device").GetString(), StringComparison.Ordinal);
        Assert.All(json.RootElement.GetProperty("tables").EnumerateArray(), table => Assert.NotEqual(0, table.GetProperty("rows").GetArrayLength()));
        Assert.True(kernel == "kv_none" || FakeDriver.Launches(kernel) >= least);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    [EmulatorFact]
    public void Bytes_are_those_of_the_keys_and_values_and_ragged_heads_have_as_many()
    {
        FakeDriver.Reset();
        Assert.Equal(0, Run("decode attention"));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(_json));
        JsonElement[] rows = [.. json.RootElement.GetProperty("tables").EnumerateArray().Single(t => t.GetProperty("name").GetString()!.StartsWith("Decode", StringComparison.Ordinal)).GetProperty("rows").EnumerateArray()];
        Assert.Equal(["uniform F16", "ragged F16", "uniform K8V4", "ragged K8V4"], rows.Take(4).Select(row => $"{row[2].GetString()} {row[3].GetString()}"));

        // Two heads of 70 KVs of 32 numbers, keys and values, in halves.
        Assert.Equal(2 * 70 * 32 * 2 * 2 / 1e6, rows[0][4].GetDouble(), 9);
        Assert.Equal(rows[0][4].GetDouble(), rows[1][4].GetDouble(), 9);
        Assert.InRange(rows[2][4].GetDouble() / rows[0][4].GetDouble(), (8 + 4) / 32.0, 0.6);
    }

    [EmulatorFact]
    public void PyTorchs_times_stand_beside_those_of_the_same_sizes_and_make_aims()
    {
        FakeDriver.Reset();
        string path = Path.GetTempFileName();
        File.WriteAllText(path, """
            { "device": "a card", "pytorch": "2", "shape": "tiny", "decode_attention": [ { "batch": 3, "context": 70, "microseconds": 12.5 } ],
              "prefill_attention": [ { "rows": 48, "before": 0, "microseconds": 20 } ], "products": [ { "rows": 40, "outputs": 384, "inputs": 256, "microseconds": 7 } ] }
            """);
        PyTorchTimes times = PyTorchTimes.Read(path);
        File.Delete(path);
        Assert.Equal(("a card", 12.5, 20.0, 7.0), (times.Device, times.DecodeAttention(3, 70), times.PrefillAttention(48, 0), times.Product(40, 384, 256)));
        Assert.Null(times.DecodeAttention(1, 70));
        Assert.Equal(0, Run("decode attention", times));
        Assert.Contains("batch 3, 70 KVs, F16, uniform: PyTorch's time over ours", _output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("batch 1, 70 KVs, F16, uniform: PyTorch", _output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "decode_attention")]
    [InlineData("{", "pytorch_reference.py")]
    [InlineData("""{ "device": "x", "shape": "tiny", "decode_attention": [ { "batch": "many" } ] }""", "pytorch_reference.py")]
    [InlineData("""{ "device": "x", "shape": "tiny" }""", "pytorch_reference.py")]
    public void What_the_script_did_not_write_is_refused(string text, string says)
    {
        string path = Path.GetTempFileName();
        File.WriteAllText(path, text);
        string message = Assert.Throws<FormatException>(() => PyTorchTimes.Read(path)).Message;
        File.Delete(path);
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(says == "decode_attention" ? "pytorch_reference.py" : says, message, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void A_launch_that_fails_fails_its_cell_and_the_next_one_opens_the_device_anew()
    {
        FakeDriver.Reset(("FAIL_LAUNCH", 3));
        Assert.Equal(1, Run("decode attention"));
        string output = _output.ToString();
        Assert.Contains("failed  Decode attention, batch 1, 70 KVs, F16, uniform", output, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_LAUNCH_FAILED", output, StringComparison.Ordinal);
        Assert.Contains("passed  Decode attention, batch 1, 70 KVs, F16, ragged", output, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void The_clock_sees_work_that_goes_at_once_and_work_that_goes_as_a_graph()
    {
        FakeDriver.Reset();
        using CudaBackend backend = new(FakeDriver.Options);
        nint memory = backend.Queue.Allocate(4 << 20);
        void Work()
        {
            for (int i = 0; i < 12; i++)
                backend.Queue.Clear(memory, 4 << 20);
        }

        float[] times = [.. Enumerable.Range(0, 5).Select(_ => backend.Queue.Time(Work, memory, 1 << 10))];
        Assert.True(backend.Queue.GraphLaunches > 0);
        Assert.All(times, time => Assert.True(time > 0));
        backend.Queue.Free(memory);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Ragged_heads_differ_and_have_as_many_KVs_in_all(int heads)
    {
        int[][] lengths = HeadLengths.Ragged(3, heads, 4096);
        Assert.All(lengths, own => Assert.Equal(heads * 4096, own.Sum()));
        Assert.All(lengths, own => Assert.True(heads == 1 || own.Max() > 10 * own.Min()));
    }

    private int Run(string part, PyTorchTimes? times = null)
    {
        GpuSettings gpu = new() { IsFake = true, Json = _json, Only = part, MostTime = TimeSpan.FromMinutes(5) };
        GpuReport report = new("benchmark", gpu, _output);
        ModelShape tiny = ModelShape.Parse("tiny");
        BenchmarkCommand.Run(gpu, new BenchmarkSettings { Shape = tiny, Engine = EngineBenchmarkSettings.For(tiny), PyTorch = times }, report);
        return report.Finish();
    }
}
