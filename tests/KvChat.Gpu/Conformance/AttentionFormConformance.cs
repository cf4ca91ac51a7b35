using KvChat.Kernels;
using KvChat.Kernels.Tests.Attention;

namespace KvChat.Gpu.Conformance;

/// <summary>Every form that attention is compiled in: lengths of heads, halves and brains, few queries and many, with scores.</summary>
public abstract class AttentionFormConformance
{
    public static TheoryData<int, KvFormat> Forms
    {
        get
        {
            TheoryData<int, KvFormat> data = [];
            foreach (int headDim in (int[])[24, 32, 64, 80, 96, 128, 256])
            {
                foreach (KvFormat format in (KvFormat[])[KvFormat.F16, KvFormat.BF16, KvFormat.F32, KvFormat.K8V4])
                    data.Add(headDim, format);
            }

            return data;
        }
    }

    protected abstract IComputeBackend Create();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Prompts_decoding_and_scores_equal_their_formulas(int headDim, KvFormat format)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(4, 2, headDim) { Sharpness = 2 });
        int sequence = world.Add(format);
        foreach (int rows in (int[])[40, 1, 280, 1, 4])
            AttentionConformance.CheckOutputs(world, world.Step(new StepPart(sequence, rows)), 0, sequence, rows);
        StepPart window = new(sequence, 30) { Observation = ObservationMode.Window, ObservedRows = 8, PoolWidth = 5 };
        StepResult step = world.Step(window);
        for (int head = 0; head < 2; head++)
        {
            double[] expected = new AttentionReference(world, sequence, head).WindowScores(step, 0, window.Rows, window);
            AttentionConformance.AssertNear(expected, world.Scores(sequence, head), 1e-4, 1e-7, $"scores of head {head}");
        }
    }

    /// <summary>One sequence with few heads is shared out among all multiprocessors, and put together again.</summary>
    [Theory]
    [InlineData(KvFormat.F16)]
    [InlineData(KvFormat.BF16)]
    [InlineData(KvFormat.K4V2)]
    public void Long_heads_are_split_and_merged(KvFormat format)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(4, 1, 128) { Sharpness = 2 });
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, 2000));
        AttentionConformance.CheckOutputs(world, world.Step(new StepPart(sequence, 1)), 0, sequence, 1);
    }
}
