extern alias gpu;

using System.Text.Json;
using gpu::KvChat.Gpu;
using gpu::KvChat.Gpu.Benchmarks;
using gpu::KvChat.Gpu.Shapes;
using KvChat.Kernels.Quantization;
using KvChat.Runtime.Scheduling;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>The engine's benchmark on the fake driver: its counts are right, whatever its times are.</summary>
public sealed class EngineBenchmarkTests : IDisposable
{
    private readonly string _json = Path.GetTempFileName();
    private readonly StringWriter _output = new();

    private static ModelShape Tiny => ModelShape.Parse("tiny");

    public void Dispose()
    {
        File.Delete(_json);
        _output.Dispose();
    }

    [EmulatorTheory]
    [InlineData("off", 1, 1)]
    [InlineData("off", 2, 2)]
    [InlineData("1x", 2, 2)]
    [InlineData("8x", 2, 3)]
    public void Every_token_is_read_and_drawn_in_batches_that_the_memory_has_room_for(string cell, int memory, int leastBatch)
    {
        const int WarmUpAnswer = 4, ProbeAnswer = 1;
        FakeDriver.Reset();
        EngineBenchmarkSettings settings = EngineBenchmarkSettings.For(Tiny) with { Requests = 4 };
        using ShapeModel model = ShapeModel.Create(Tiny, settings.Prompt + settings.Answer, FakeSettings().Open());
        using EngineRun run = new(model, settings, EngineCell.Parse(cell), memory);
        EngineTimes times = run.Run(_ => { }, CancellationToken.None);
        EngineStatistics done = run.Statistics;
        Assert.Equal((settings.Requests * settings.Answer) + WarmUpAnswer + ProbeAnswer, done.GeneratedTokens);
        Assert.Equal((settings.Requests + 2) * settings.Prompt, done.PromptTokens);
        Assert.Equal((settings.Requests, settings.Prompt, settings.Answer), (times.Requests, times.Prompt, times.Answer));
        Assert.InRange(times.LargestBatch, leastBatch, leastBatch + (cell == "8x" ? 1 : 0));
        Assert.Equal(0, done.Preemptions);
        Assert.InRange(run.KeptShare, cell == "8x" ? 0.1 : 0.95, cell == "8x" ? 0.5 : 1);
        Assert.True(times.TotalRate > 0);
        Assert.True(times.PromptSeconds > 0);
    }

    [EmulatorFact]
    public void The_part_measures_every_cell_that_each_form_of_weights_has()
    {
        FakeDriver.Reset();
        Assert.Equal(0, Run(Small with { Memories = [2] }));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(_json));
        JsonElement table = json.RootElement.GetProperty("tables").EnumerateArray().Single(t => t.GetProperty("name").GetString()!.StartsWith("Engine, tiny", StringComparison.Ordinal));
        string[] rows = [.. table.GetProperty("rows").EnumerateArray().Select(row => $"{row[0].GetString()} {row[1].GetInt32()} {row[2].GetString()}")];
        Assert.Equal(["F16 2 off", "F16 2 1x", "F16 2 8x", "F16 2 64x", "Q4_K 2 off", "Q4_K 2 8x"], rows);
        Assert.Contains("CUDA", json.RootElement.GetProperty("device").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, json.RootElement.GetProperty("failed").GetInt32());
        Assert.Contains("1x over off", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    [EmulatorTheory]
    [InlineData(5, "making the weights")]
    [InlineData(60, "warming up")]
    [InlineData(400, "requests begin")]
    public void A_launch_that_fails_gives_a_failed_report_and_the_next_cell_a_new_device(int launch, string last)
    {
        FakeDriver.Reset(("FAIL_LAUNCH", launch));
        Assert.Equal(1, Run(Small with { Cells = [EngineCell.Parse("off"), EngineCell.Parse("8x")], Weights = [WeightFormat.F16] }));
        string output = _output.ToString();
        Assert.Contains("failed  Engine, F16, memory for 1, off", output, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_LAUNCH_FAILED", output, StringComparison.Ordinal);
        string before = output[..output.IndexOf("failed  Engine", StringComparison.Ordinal)];
        Assert.Contains(last, before.TrimEnd().Split('\n')[^1], StringComparison.Ordinal);
        Assert.Contains("passed  Engine, F16, memory for 1, 8x", output, StringComparison.Ordinal);
        Assert.Contains("1 failed", output, StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void What_cannot_be_done_in_time_fails_and_ends()
    {
        FakeDriver.Reset();
        Assert.Equal(1, Run(Small, TimeSpan.FromMilliseconds(1)));
        Assert.Contains("within", _output.ToString(), StringComparison.Ordinal);
    }

    [EmulatorFact]
    public void A_run_that_is_cancelled_ends()
    {
        FakeDriver.Reset();
        using ShapeModel model = ShapeModel.Create(Tiny, Small.Prompt + Small.Answer, FakeSettings().Open());
        using EngineRun run = new(model, Small, EngineCell.Parse("off"), 1);
        using CancellationTokenSource source = new();
        Assert.ThrowsAny<OperationCanceledException>(() => run.Run(line =>
        {
            if (line.Contains("requests begin", StringComparison.Ordinal))
                source.Cancel();
        }, source.Token));
    }

    [EmulatorTheory]
    [InlineData(WeightFormat.F16, 16)]
    [InlineData(WeightFormat.Q4_K, 4.5)]
    public void A_model_has_the_weights_of_its_shape(WeightFormat weights, double bits)
    {
        FakeDriver.Reset();
        using ShapeModel model = ShapeModel.Create(Tiny with { Weights = weights }, 64, FakeSettings().Open());
        long layer = (256L * (256 + (2 * 64))) + (256 * 256) + (3 * 256 * 256), numbers = (2 * layer) + (2 * 256 * 256);
        Assert.Equal(numbers * bits / 8, model.Transformer.WeightBytes);
        model.Backend.Queue.Synchronize();

        // Queries, keys and values; output; gate and up; down. Two layers, and both ends of the model.
        Assert.Equal((2 * (3 + 1 + 2 + 1)) + 2, FakeDriver.Launches("kv_random_" + weights));
    }

    [Fact]
    public void A_shape_that_is_not_known_names_those_that_are()
    {
        ArgumentException unknown = Assert.Throws<ArgumentException>(() => ModelShape.Parse("llama-9"));
        foreach (string name in (string[])["llama-9", "llama-3-8b", "llama-3.2-1b", "tiny"])
            Assert.Contains(name, unknown.Message, StringComparison.Ordinal);
        Assert.InRange(Parameters(ModelShape.Parse("llama-3-8b")), 8.02e9, 8.04e9);
        Assert.InRange(Parameters(ModelShape.Parse("llama-3.2-1b")), 1.23e9, 1.24e9);
    }

    [Theory]
    [InlineData("--cells", "9x", "off, 1x, 8x, 64x")]
    [InlineData("--memory", "0", "1 or more")]
    [InlineData("--weights", "q2_k", "f16, q4_k")]
    [InlineData("--answer", "1", "2 or more")]
    [InlineData("--requests", "0", "1 or more")]
    [InlineData("--cells", ",", "nothing")]
    [InlineData("--shape", "gpt", "llama-3.2-1b")]
    public void Options_out_of_range_are_named(string option, string value, string says)
    {
        string error = string.Join(' ', GpuCommands.Root().Parse(["benchmark", option, value]).Errors.Select(e => e.Message));
        Assert.Contains(option, error, StringComparison.Ordinal);
        Assert.Contains(says, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_choose_cells_memories_and_counts()
    {
        EngineBenchmarkSettings read = EngineBenchmarkOptions.Read(
            GpuCommands.Root().Parse(["benchmark", "--cells", "off,64x", "--memory", "3,25", "--weights", "q4_k", "--requests", "9", "--prompt", "700", "--answer", "50", "--step-tokens", "128"]), Tiny);
        Assert.Equal(["off", "64x"], read.Cells.Select(cell => cell.Name));
        Assert.Equal([3, 25], read.Memories);
        Assert.Equal([WeightFormat.Q4_K], read.Weights);
        Assert.Equal((9, 700, 50, 128), (read.Requests, read.Prompt, read.Answer, read.StepTokens));
        EngineBenchmarkSettings left = EngineBenchmarkOptions.Read(GpuCommands.Root().Parse(["benchmark"]), ModelShape.Parse("llama-3-8b"));
        Assert.Equal((64, 6000, 500), (left.Requests, left.Prompt, left.Answer));
    }

    private static EngineBenchmarkSettings Small => EngineBenchmarkSettings.For(Tiny) with { Requests = 3, Prompt = 96, Answer = 6, Memories = [1] };

    private static GpuSettings FakeSettings() => new() { IsFake = true };

    private static double Parameters(ModelShape shape)
    {
        double layer = (shape.Width * (double)shape.QueryKeyValueWidth) + (shape.Width * (double)shape.QueryHeads * shape.HeadDim) + (3.0 * shape.Width * shape.HiddenWidth);
        return (shape.Layers * layer) + ((shape.SharesEmbedding ? 1.0 : 2.0) * shape.VocabularySize * shape.Width);
    }

    private int Run(EngineBenchmarkSettings engine, TimeSpan? most = null)
    {
        GpuSettings gpu = new() { IsFake = true, Json = _json, Only = "engine", MostTime = most ?? TimeSpan.FromMinutes(5) };
        GpuReport report = new("benchmark", gpu, _output);
        BenchmarkCommand.Run(gpu, new BenchmarkSettings { Shape = Tiny, Engine = engine }, report);
        return report.Finish();
    }
}
