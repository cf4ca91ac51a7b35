using System.Diagnostics;
using System.Runtime.InteropServices;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Tests.Attention;
using KvChat.TestSupport;

namespace KvChat.Cuda.Tests;

/// <summary>A row's numbers are its sequence's alone on the device too, whichever kernels its rows meet.</summary>
public sealed class CudaAttentionBitsTests
{
    private const int Tokens = 290;

    private static readonly LayerShape[] Layers =
    [
        new(9, 3, 64) { Sharpness = 2 },
        new(4, 1, 80) { Sharpness = 2, SlidingWindow = 200, SoftCap = 20, LogWeights = true, PageTokens = 32 },
        new(2, 1, 256),
    ];

    private static readonly Dictionary<(int, KvFormat), (float[][], float[])> Known = [];

    public static TheoryData<int, KvFormat, int, int> Ways()
    {
        TheoryData<int, KvFormat, int, int> data = [];
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            foreach (KvFormat format in (KvFormat[])[KvFormat.F16, KvFormat.F32, KvFormat.BF16, KvFormat.K8V4, KvFormat.K4V2])
            {
                foreach ((int multiprocessors, int chunk) in ((int, int)[])[(1, 5), (200, 64), (16, 290)])
                    data.Add(layer, format, multiprocessors, chunk);
            }
        }

        return data;
    }

    [EmulatorTheory]
    [MemberData(nameof(Ways))]
    public void Bits_do_not_depend_on_chunks_neighbours_or_the_size_of_the_device(int layer, KvFormat format, int multiprocessors, int chunk)
    {
        if (!Known.TryGetValue((layer, format), out (float[][], float[]) known))
            known = Known[(layer, format)] = Run(layer, format, 1, Tokens);
        (float[][] expected, float[] expectedScores) = known;
        (float[][] actual, float[] actualScores) = Run(layer, format, multiprocessors, chunk);
        for (int row = 0; row < Tokens; row++)
            AssertBits(expected[row], actual[row], $"row {row}");
        AssertBits(expectedScores, actualScores, "scores");
    }

    [EmulatorTheory]
    [InlineData(KvFormat.K8V4, KvFormat.K4V2, 64)]
    [InlineData(KvFormat.F16, KvFormat.K4V4, 80)]
    [InlineData(KvFormat.K4V2, KvFormat.K8V8, 24)]
    [InlineData(KvFormat.F32, KvFormat.K4V4, 64)]
    public void Ends_that_are_turned_in_different_ways_give_the_same_bits_everywhere(KvFormat high, KvFormat low, int headDim)
    {
        (float[][] expected, float[] scores) = Run(1, 40);
        foreach ((int multiprocessors, int chunk) in ((int, int)[])[(1, 1), (200, 7), (200, 40)])
        {
            (float[][] actual, float[] actualScores) = Run(multiprocessors, chunk);
            for (int row = 0; row < 40; row++)
                AssertBits(expected[row], actual[row], $"{multiprocessors} multiprocessors, chunks of {chunk}, row {row}");
            AssertBits(scores, actualScores, $"{multiprocessors} multiprocessors, chunks of {chunk}, scores");
        }

        (float[][] Outputs, float[] Scores) Run(int multiprocessors, int chunk)
        {
            using IComputeBackend backend = FakeDriver.Open(("MULTIPROCESSORS", multiprocessors));
            using AttentionWorld world = new(backend, new LayerShape(6, 2, headDim) { Sharpness = 2, Rotate = true, SlidingWindow = 450 });
            int sequence = world.Add(high, low);
            world.Step(new StepPart(sequence, 500));
            world.Demote(sequence, 0, 2, 1);
            world.Demote(sequence, 1, 7, 3);
            List<float[]> outputs = [];
            for (int done = 0; done < 40; done += chunk)
            {
                int rows = Math.Min(chunk, 40 - done);
                outputs.AddRange(world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows }).Outputs);
            }

            return ([.. outputs], world.Scores(sequence, 0));
        }
    }

    [EmulatorFact]
    public void Decoding_and_prompts_run_on_tensor_cores_and_singles_do_not()
    {
        using IComputeBackend backend = FakeDriver.Open();
        using AttentionWorld world = new(backend, new LayerShape(8, 2, 64));
        int half = world.Add(KvFormat.F16), brain = world.Add(KvFormat.BF16), single = world.Add(KvFormat.F32);
        world.Step(new StepPart(half, 20), new StepPart(brain, 1), new StepPart(single, 1));
        world.Step(new StepPart(half, 1), new StepPart(brain, 20));
        foreach (string kernel in (string[])["kv_attend_wide_f16_d64", "kv_attend_narrow_f16_d64", "kv_attend_wide_bf16_d64", "kv_attend_narrow_bf16_d64", "kv_attend_plain"])
            Assert.Equal(1, FakeDriver.Launches(kernel));
    }

    [EmulatorFact]
    public void Heads_too_long_for_the_shared_memory_of_a_device_are_attended_plainly()
    {
        using IComputeBackend backend = FakeDriver.Open(("SHARED_OPTIN", 48 << 10));
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 128));
        int sequence = world.Add(KvFormat.F16);
        AttentionConformance.CheckOutputs(world, world.Step(new StepPart(sequence, 20)), 0, sequence, 20);
        Assert.Equal(1, FakeDriver.Launches("kv_attend_plain"));
    }

    [EmulatorFact]
    public void Long_work_is_shared_out_among_launches()
    {
        float[] scores = Run(long.MaxValue), split = Run(1);
        AssertBits(scores, split, "scores");

        static float[] Run(long largestLaunch)
        {
            using CudaBackend backend = FakeDriver.Open();
            backend.Attention.LargestLaunch = largestLaunch;
            using AttentionWorld world = new(backend, Layers[0]);
            int sequence = world.Add(KvFormat.F16);
            world.Step(new StepPart(sequence, 300));
            StepResult step = world.Step(new StepPart(sequence, 30) { Observation = ObservationMode.Window, ObservedRows = 8, PoolWidth = 3 });
            AttentionConformance.CheckOutputs(world, step, 0, sequence, 30);
            Assert.True(largestLaunch == 1 ? FakeDriver.Launches("kv_observe_f16_d64") > 3 : FakeDriver.Launches("kv_observe_f16_d64") == 1);
            return world.Scores(sequence, 1);
        }
    }

    [EmulatorFact]
    public void Steady_decoding_allocates_nothing()
    {
        using IComputeBackend backend = FakeDriver.Open();
        using AttentionWorld world = new(backend, Layers[0]);
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 300));
        using PreparedStep step = world.Prepare(new StepPart(sequence, 1) { Observation = ObservationMode.Accumulate, ObservedRows = 1 });
        step.Run();
        step.Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5; i++)
            step.Run();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>The program finds what the binding hides: forms that the host would not choose, other orders of lanes.</summary>
    [EmulatorFact]
    public void All_forms_agree_with_plain_loops_and_with_each_other()
    {
        string source = Path.Combine(SharedFiles.Repository, "kernels", "emulator", "tests", "attention_test.cpp"), folder = Path.GetDirectoryName(FakeDriver.Path)!;
        string program = Path.Combine(folder, "attention_test");
        Run("g++", ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-Wno-unknown-pragmas", "-DKV_EMULATOR", source, .. Directory.GetFiles(folder, "*.o"), "-lpthread", "-ldl", "-o", program]);
        Run(program);
        Run(program, "25", "1");
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {string.Join('\n', output.Split('\n').Where(line => !line.StartsWith("ok", StringComparison.Ordinal)))}{errors.Result}");
    }

    private static (float[][] Outputs, float[] Scores) Run(int layer, KvFormat format, int multiprocessors, int chunk)
    {
        using IComputeBackend backend = FakeDriver.Open(("MULTIPROCESSORS", multiprocessors));
        using AttentionWorld world = new(backend, Layers[layer]);
        using DeviceRotary rotary = backend.CreateRotary([.. Enumerable.Range(0, (Layers[layer].HeadDim / 2) - 3).Select(i => MathF.Pow(10000, -2f * i / Layers[layer].HeadDim))]);
        world.Rotary = rotary;
        int sequence = world.Add(format), neighbour = world.Add(KvFormat.F16);
        List<float[]> outputs = [];
        for (int done = 0; done < Tokens; done += chunk)
        {
            int rows = Math.Min(chunk, Tokens - done);
            StepPart part = new(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows };
            bool alone = done / chunk % 2 == 0;
            outputs.AddRange((alone ? world.Step(part) : world.Step(new StepPart(neighbour, 3), part)).Outputs.Skip(alone ? 0 : 3));
        }

        return ([.. outputs], world.Scores(sequence, 0));
    }

    private static void AssertBits(float[] expected, float[] actual, string what)
    {
        if (!MemoryMarshal.AsBytes(expected.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(actual.AsSpan())))
        {
            int at = Enumerable.Range(0, expected.Length).First(i => BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]));
            Assert.Fail($"{what}: number {at} is {actual[at]:R}, not {expected[at]:R}.");
        }
    }
}
