using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Tests.Attention;

namespace KvChat.Cuda.Tests;

/// <summary>Work that repeats is launched as a graph, with the same results.</summary>
public sealed class GraphTests
{
    private const int Layers = 4;

    [EmulatorFact]
    public void Steps_that_repeat_become_a_graph_and_give_the_same_numbers()
    {
        List<float[]> plain = Run(usesGraphs: false, steps: 12, out long none), graphs = Run(usesGraphs: true, steps: 12, out long launched);
        Assert.Equal(0, none);
        Assert.InRange(launched, 6, 12);
        Assert.Equal(plain, graphs);
        Assert.Equal((0, 0, 0, 0), FakeDriver.Taken());
    }

    [EmulatorFact]
    public void A_step_of_another_shape_in_between_runs_as_it_is()
    {
        FakeDriver.Reset();
        using CudaBackend backend = new(FakeDriver.Options);
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 32));
        int first = world.Add(KvFormat.F16), second = world.Add(KvFormat.F16);
        world.Step(new StepPart(first, 20), new StepPart(second, 9));
        float[] row = new float[64];
        List<float> seen = [];
        foreach (bool both in (bool[])[false, false, false, true, false, false, true, true, true])
        {
            using PreparedStep step = both ? world.Prepare(new StepPart(first, 1), new StepPart(second, 1)) : world.Prepare(new StepPart(first, 1));
            for (int layer = 0; layer < Layers; layer++)
                step.Run();
            backend.Read(step.Output, 0, row);
            seen.Add(row[5]);
        }

        Assert.All(seen, value => Assert.Equal(seen[0], value));
    }

    /// <summary>What is sent of page ids has the same shape until heads have many more, so that sequences which get their next pages at different steps keep their graph.</summary>
    [EmulatorFact]
    public void A_graph_serves_while_several_sequences_get_pages_in_turn()
    {
        const int Sequences = 4, Steps = 40;
        FakeDriver.Reset();
        using CudaBackend backend = new(FakeDriver.Options);
        using KvArena arena = backend.CreateArena(new KvArenaShape(32, 16, 4 * Sequences));
        using DeviceTensor rows = backend.CreateTensor(Sequences, 4 * 32), output = backend.CreateTensor(Sequences, 2 * 32);
        int[] pages = GC.AllocateArray<int>(4 * Sequences, pinned: true);
        for (int i = 0; i < pages.Length; i++)
            pages[i] = i;
        float[] row = new float[output.Columns];
        for (int step = 0; step < Steps; step++)
        {
            AttendAll(backend, arena, rows, output, pages, [.. Enumerable.Range(0, Sequences).Select(i => step + (4 * i))]);
            backend.Read(output, 0, row);
        }

        // The first steps run as they are until two in a row were alike.
        Assert.InRange(backend.Queue.GraphLaunches, Steps - 3, Steps);
    }

    // The same layer many times over sequences with as many pages each.
    private static unsafe void AttendAll(CudaBackend backend, KvArena arena, DeviceTensor rows, DeviceTensor output, int[] pages, int[] lengths)
    {
        int each = pages.Length / lengths.Length;
        HeadView[] heads = new HeadView[lengths.Length];
        fixed (int* first = pages)
        {
            for (int i = 0; i < heads.Length; i++)
                heads[i] = new HeadView(first + (i * each), lengths[i]);
        }

        KvBatch batch = new()
        {
            Sequences = [.. lengths.Select((_, i) => new SequenceSlice { FirstRow = i, RowCount = 1, Format = KvFormat.F16 })],
            SequenceCount = lengths.Length,
            Positions = lengths,
            RowCount = lengths.Length,
            Heads = heads,
        };
        for (int layer = 0; layer < Layers; layer++)
        {
            backend.Append(new AppendOperation { QueryKeyValue = rows, QueryHeads = 2, KvHeads = 1, Arena = arena, Batch = batch });
            backend.Attend(new AttentionOperation { QueryKeyValue = rows, QueryHeads = 2, KvHeads = 1, Arena = arena, Batch = batch, Output = output, Scale = 0.2f });
        }
    }

    // A step of some layers over sequences that grow, in tensors that stay; what is uploaded differs from step to step.
    private static List<float[]> Run(bool usesGraphs, int steps, out long launched)
    {
        FakeDriver.Reset();
        using CudaBackend backend = new(FakeDriver.Options with { UsesGraphs = usesGraphs });
        using KvArena arena = backend.CreateArena(new KvArenaShape(32, 16, 16));
        using DeviceTensor rows = backend.CreateTensor(1, 4 * 32), output = backend.CreateTensor(1, 2 * 32);
        List<float[]> results = [];
        Random random = new(3);
        for (int step = 0; step < steps; step++)
        {
            for (int layer = 0; layer < Layers; layer++)
            {
                backend.Write(rows, 0, [.. Enumerable.Range(0, rows.Columns).Select(_ => random.NextSingle() - 0.5f)]);
                Attend(backend, arena, rows, output, layer, step);
            }

            float[] row = new float[output.Columns];
            backend.Read(output, 0, row);
            results.Add(row);
        }

        launched = backend.Queue.GraphLaunches;
        return results;
    }

    private static unsafe void Attend(CudaBackend backend, KvArena arena, DeviceTensor rows, DeviceTensor output, int layer, int length)
    {
        int page = layer;
        KvBatch batch = new()
        {
            Sequences = [new SequenceSlice { FirstRow = 0, RowCount = 1, Format = KvFormat.F16 }],
            SequenceCount = 1,
            Positions = [length],
            RowCount = 1,
            Heads = [new HeadView(&page, length)],
        };
        backend.Append(new AppendOperation { QueryKeyValue = rows, QueryHeads = 2, KvHeads = 1, Arena = arena, Batch = batch });
        backend.Attend(new AttentionOperation { QueryKeyValue = rows, QueryHeads = 2, KvHeads = 1, Arena = arena, Batch = batch, Output = output, Scale = 0.2f });
    }
}
