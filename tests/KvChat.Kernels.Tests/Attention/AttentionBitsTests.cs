using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Tests.Attention;

/// <summary>A row's numbers are its sequence's alone: equal bits for all widths, threads, chunkings and neighbours.</summary>
public sealed class AttentionBitsTests
{
    private const int Tokens = 560;

    private static readonly LayerShape[] Layers =
    [
        new(9, 3, 64) { Sharpness = 2 },
        new(4, 1, 80) { Sharpness = 2, SlidingWindow = 300, SoftCap = 20, LogWeights = true, PageTokens = 32 },
        new(1, 1, 128),
    ];

    public static TheoryData<int, KvFormat, int, int, int> Ways()
    {
        TheoryData<int, KvFormat, int, int, int> data = [];
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            foreach (KvFormat format in Enum.GetValues<KvFormat>())
            {
                foreach ((int width, int threads, int chunk) in ((int, int, int)[])[(512, 1, 1), (512, 3, 7), (512, 2, 64), (512, 4, 512), (256, 1, 64), (256, 2, 1), (128, 1, 512), (0, 2, 80)])
                    data.Add(layer, format, width, threads, chunk);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Bits_do_not_depend_on_width_threads_chunks_or_neighbours(int layer, KvFormat format, int width, int threads, int chunk)
    {
        (float[][] outputs, float[] scores) = Whole(layer, format);
        using CpuBackend backend = CpuBackends.Create(width, threads);
        using AttentionWorld world = new(backend, Layers[layer]);
        using DeviceRotary rotary = Rotary(backend, Layers[layer]);
        using DeviceVector norm = Norm(backend, Layers[layer]);
        (world.Rotary, world.QueryNorm, world.KeyNorm) = (rotary, norm, norm);
        int sequence = world.Add(format), neighbour = world.Add(KvFormat.F16);
        for (int done = 0; done < Tokens; done += chunk)
        {
            int rows = Math.Min(chunk, Tokens - done);
            StepPart part = new(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows };
            bool alone = chunk == 1 ? done % 100 != 0 : done / chunk % 2 == 0;
            StepResult step = alone ? world.Step(part) : world.Step(new StepPart(neighbour, 3), part);
            for (int row = 0; row < rows; row++)
                AssertBits(outputs[done + row], step.Outputs[row + (alone ? 0 : 3)], $"row {done + row}");
        }

        AssertBits(scores, world.Scores(sequence, 0), "scores");
    }

    [Theory]
    [InlineData(512, 3, 1, false)]
    [InlineData(512, 1, 40, true)]
    [InlineData(256, 2, 1, true)]
    [InlineData(128, 1, 7, false)]
    [InlineData(0, 1, 40, true)]
    [InlineData(0, 3, 1, false)]
    public void Tables_of_two_formats_give_the_same_bits_everywhere(int width, int threads, int chunk, bool rotate)
    {
        foreach ((KvFormat high, KvFormat low) in ((KvFormat, KvFormat)[])[(KvFormat.K8V4, KvFormat.K4V2), (KvFormat.F16, KvFormat.K4V4), (KvFormat.K8V8, KvFormat.K8V4)])
        {
            (float[][] outputs, float[][] scores) = Run(512, 1, 40, high, low);
            (float[][] Outputs, float[][] Scores) actual = Run(width, threads, chunk, high, low);
            for (int row = 0; row < outputs.Length; row++)
                AssertBits(outputs[row], actual.Outputs[row], $"{high} and {low}, row {row}");
            for (int head = 0; head < scores.Length; head++)
                AssertBits(scores[head], actual.Scores[head], $"{high} and {low}, scores of head {head}");
        }

        (float[][] Outputs, float[][] Scores) Run(int width, int threads, int chunk, KvFormat high, KvFormat low)
        {
            using CpuBackend backend = CpuBackends.Create(width, threads);
            using AttentionWorld world = new(backend, new LayerShape(6, 2, 64) { Sharpness = 2, Rotate = rotate, SlidingWindow = 450 });
            int sequence = world.Add(high, low);
            world.Step(new StepPart(sequence, 500) { Observation = ObservationMode.Accumulate, ObservedRows = 500 });
            world.Demote(sequence, 0, 2, 1);
            world.Demote(sequence, 1, 7, 3);
            List<float[]> outputs = [];
            for (int done = 0; done < 40; done += chunk)
            {
                int rows = Math.Min(chunk, 40 - done);
                outputs.AddRange(world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows }).Outputs);
            }

            StepPart window = new(sequence, 20) { Observation = ObservationMode.Window, ObservedRows = 20, PoolWidth = 5 };
            float[][] accumulated = [world.Scores(sequence, 0), world.Scores(sequence, 1)];
            outputs.AddRange(world.Step(window).Outputs);
            return ([.. outputs], [.. accumulated, world.Scores(sequence, 0), world.Scores(sequence, 1)]);
        }
    }

    [Theory]
    [InlineData(512, 3)]
    [InlineData(256, 1)]
    [InlineData(128, 2)]
    [InlineData(0, 1)]
    public void Window_scores_have_the_same_bits_everywhere(int width, int threads)
    {
        float[][] expected = Run(512, 1), actual = Run(width, threads);
        for (int head = 0; head < expected.Length; head++)
            AssertBits(expected[head], actual[head], $"head {head}");

        static float[][] Run(int width, int threads)
        {
            using CpuBackend backend = CpuBackends.Create(width, threads);
            using AttentionWorld world = new(backend, Layers[0]);
            int sequence = world.Add(KvFormat.F16);
            world.Step(new StepPart(sequence, 611));
            world.Step(new StepPart(sequence, 100) { Observation = ObservationMode.Window, ObservedRows = 70, PoolWidth = 7 });
            List<float[]> scores = [.. Enumerable.Range(0, 3).Select(head => world.Scores(sequence, head))];
            foreach (int rows in (int[])[40, 1, 2])
            {
                world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows, Largest = rows != 2, LargestOfGroup = rows == 2, Squared = false });
                scores.AddRange(Enumerable.Range(0, 3).Select(head => world.Scores(sequence, head)));
                world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Window, ObservedRows = rows, PoolWidth = 5, Squared = false, Largest = rows == 1, AveragePool = true });
                scores.AddRange(Enumerable.Range(0, 3).Select(head => world.Scores(sequence, head)));
            }

            return [.. scores];
        }
    }

    [Fact]
    public void Steady_decoding_allocates_nothing()
    {
        using CpuBackend backend = CpuBackends.Create(512, 2);
        using AttentionWorld world = new(backend, Layers[0]);
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 600));
        using PreparedStep step = world.Prepare(new StepPart(sequence, 1) { Observation = ObservationMode.Accumulate, ObservedRows = 1 });
        step.Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
            step.Run();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static readonly Dictionary<(int, KvFormat), (float[][], float[])> Known = [];

    private static (float[][] Outputs, float[] Scores) Whole(int layer, KvFormat format)
    {
        lock (Known)
        {
            if (Known.TryGetValue((layer, format), out (float[][], float[]) known))
                return known;
            using CpuBackend backend = CpuBackends.Create(512, 1);
            using AttentionWorld world = new(backend, Layers[layer]);
            using DeviceRotary rotary = Rotary(backend, Layers[layer]);
            using DeviceVector norm = Norm(backend, Layers[layer]);
            (world.Rotary, world.QueryNorm, world.KeyNorm) = (rotary, norm, norm);
            int sequence = world.Add(format);
            StepResult step = world.Step(new StepPart(sequence, Tokens) { Observation = ObservationMode.Accumulate, ObservedRows = Tokens });
            return Known[(layer, format)] = (step.Outputs, world.Scores(sequence, 0));
        }
    }

    private static DeviceRotary Rotary(CpuBackend backend, LayerShape layer) =>
        backend.CreateRotary([.. Enumerable.Range(0, (layer.HeadDim / 2) - 3).Select(i => MathF.Pow(10000, -2f * i / layer.HeadDim))]);

    private static DeviceVector Norm(CpuBackend backend, LayerShape layer) =>
        backend.CreateVector([.. Enumerable.Range(0, layer.HeadDim).Select(i => 1 + (0.01f * i))]);

    private static void AssertBits(float[] expected, float[] actual, string what)
    {
        if (!MemoryMarshal.AsBytes(expected.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(actual.AsSpan())))
        {
            int at = Enumerable.Range(0, expected.Length).First(i => BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]));
            Assert.Fail($"{what}: number {at} is {actual[at]:R}, not {expected[at]:R}.");
        }
    }
}
