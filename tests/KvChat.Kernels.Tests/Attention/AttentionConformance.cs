namespace KvChat.Kernels.Tests.Attention;

/// <summary>What attention of every back end must do. Runners say which back end.</summary>
public abstract class AttentionConformance
{
    protected abstract IComputeBackend Create();

    [Theory]
    [InlineData(1, 1, 64, KvFormat.F16)]
    [InlineData(3, 1, 64, KvFormat.F32)]
    [InlineData(9, 3, 64, KvFormat.F16)]
    [InlineData(8, 2, 80, KvFormat.F16)]
    [InlineData(8, 1, 128, KvFormat.F16)]
    [InlineData(4, 4, 96, KvFormat.F32)]
    [InlineData(2, 1, 256, KvFormat.F16)]
    [InlineData(2, 2, 8, KvFormat.F16)]
    [InlineData(3, 1, 24, KvFormat.F32)]
    public void Attention_equals_its_formula(int queryHeads, int kvHeads, int headDim, KvFormat format)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(queryHeads, kvHeads, headDim));
        int sequence = world.Add(format);
        foreach (int rows in (int[])[37, 1, 270, 1, 3])
            CheckOutputs(world, world.Step(new StepPart(sequence, rows)), 0, sequence, rows);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    public void Ragged_heads_and_mixed_formats_share_a_batch(int pageTokens)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(6, 2, 64) { PageTokens = pageTokens });
        int[] sequences = [world.Add(KvFormat.F16), world.Add(KvFormat.F32), world.Add(KvFormat.F16)];
        world.Step(new StepPart(sequences[0], 300), new StepPart(sequences[1], 70));
        world.Truncate(sequences[0], 1, 41);
        world.Truncate(sequences[1], 0, 16);
        world.Truncate(sequences[1], 1, 0);
        StepResult step = world.Step(new StepPart(sequences[0], 1), new StepPart(sequences[1], 5), new StepPart(sequences[2], 33));
        CheckOutputs(world, step, 0, sequences[0], 1);
        CheckOutputs(world, step, 1, sequences[1], 5);
        CheckOutputs(world, step, 6, sequences[2], 33);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(30, 0)]
    [InlineData(300, 0)]
    [InlineData(0, 20)]
    [InlineData(100, 4)]
    public void Sliding_window_and_soft_cap_follow_their_formulas(int window, float softCap)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(4, 2, 64) { SlidingWindow = window, SoftCap = softCap, Sharpness = 4 });
        int sequence = world.Add(KvFormat.F16);
        foreach (int rows in (int[])[20, 290, 1, 255, 7])
            CheckOutputs(world, world.Step(new StepPart(sequence, rows)), 0, sequence, rows);
    }

    [Fact]
    public void Sliding_window_counts_positions_not_slots()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 64) { SlidingWindow = 50 });
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 120));
        world.Truncate(sequence, 0, 90); // positions 90 to 119 are gone
        CheckOutputs(world, world.Step(new StepPart(sequence, 9)), 0, sequence, 9);
    }

    [Fact]
    public void Log_weights_are_added_to_logits()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(3, 1, 64) { LogWeights = true });
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 330));
        Random random = new(3);
        float[] weights = [.. Enumerable.Range(0, 330).Select(_ => (float)(random.NextDouble() * 6) - 3)];
        weights[17] = float.NegativeInfinity;
        world.Arena.WriteLogWeights(world.Head(sequence, 0), KvFormat.F16, weights);
        StepResult step = world.Step(new StepPart(sequence, 10));
        CheckOutputs(world, step, 0, sequence, 10, [.. weights, .. new float[10]]);
        CheckOutputs(world, world.Step(new StepPart(sequence, 1)), 0, sequence, 1, [.. weights, .. new float[11]]);
    }

    [Theory]
    [InlineData(8, 1, true)]
    [InlineData(8, 7, true)]
    [InlineData(32, 15, true)]
    [InlineData(5, 7, false)]
    [InlineData(90, 7, true)]
    public void Window_scores_follow_their_formula(int observed, int pool, bool squared)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(9, 3, 64) { Sharpness = 3 });
        int[] sequences = [world.Add(KvFormat.F16), world.Add(KvFormat.F32)];
        world.Step(new StepPart(sequences[0], 500), new StepPart(sequences[1], 20));
        world.Truncate(sequences[0], 1, 100);
        StepPart[] parts = [.. sequences.Select(s => new StepPart(s, 90) { Observation = ObservationMode.Window, ObservedRows = observed, PoolWidth = pool, Squared = squared })];
        StepResult step = world.Step(parts);
        for (int s = 0; s < 2; s++)
        {
            for (int head = 0; head < 3; head++)
            {
                double[] expected = new AttentionReference(world, sequences[s], head).WindowScores(step, s * 90, 90, parts[s]);
                AssertNear(expected, world.Scores(sequences[s], head), 1e-4, 1e-7, $"scores of sequence {s}, head {head}");
            }
        }
    }

    [Fact]
    public void Window_scores_of_a_sliding_window_are_0_where_nothing_looked()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 64) { SlidingWindow = 40 });
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 600) { Observation = ObservationMode.Window, ObservedRows = 600 });
        StepPart part = new(sequence, 20) { Observation = ObservationMode.Window, ObservedRows = 8, PoolWidth = 3 };
        StepResult step = world.Step(part);
        AssertNear(new AttentionReference(world, sequence, 0).WindowScores(step, 0, 20, part), world.Scores(sequence, 0), 1e-4, 1e-7, "scores");
        Assert.Equal(0, world.Scores(sequence, 0)[300]);
    }

    [Theory]
    [InlineData(true, false, false, 1)]
    [InlineData(true, false, true, 5)]
    [InlineData(false, false, true, 5)]
    [InlineData(false, true, false, 5)]
    public void Window_scores_can_be_the_largest_weights_and_be_pooled_by_the_mean(bool largest, bool ofGroup, bool average, int pool)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(4, 2, 64) { Sharpness = 3 });
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 500));
        StepPart part = new(sequence, 90) { Observation = ObservationMode.Window, ObservedRows = 64, PoolWidth = pool, Squared = false, Largest = largest, LargestOfGroup = ofGroup, AveragePool = average };
        StepResult step = world.Step(part);
        for (int head = 0; head < 2; head++)
            AssertNear(new AttentionReference(world, sequence, head).WindowScores(step, 0, 90, part), world.Scores(sequence, head), 1e-4, 1e-7, $"scores of head {head}");
    }

    [Theory]
    [InlineData(false, KvFormat.F16)]
    [InlineData(true, KvFormat.F16)]
    [InlineData(false, KvFormat.F32)]
    public void Factors_of_rows_count_in_scores_and_nowhere_else(bool largest, KvFormat format)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld plain = new(backend, new LayerShape(4, 2, 64) { Sharpness = 3 }), weighed = new(backend, new LayerShape(4, 2, 64) { Sharpness = 3 });
        StepPart part = new(plain.Add(format), 90) { Observation = ObservationMode.Window, ObservedRows = 64, Squared = false, Largest = largest };
        StepPart factors = part with { Sequence = weighed.Add(format), RowWeights = [.. Enumerable.Range(0, 90).Select(i => 0.1f + (i % 7))] };
        StepResult without = plain.Step(part), with = weighed.Step(factors);
        Assert.Equal(without.Outputs, with.Outputs);
        for (int head = 0; head < 2; head++)
            AssertNear(new AttentionReference(weighed, factors.Sequence, head).WindowScores(with, 0, 90, factors), weighed.Scores(factors.Sequence, head), 1e-4, 1e-7, $"scores of head {head}");
    }

    [Theory]
    [InlineData(KvFormat.F16)]
    [InlineData(KvFormat.F32)]
    public void Accumulated_scores_add_the_largest_weight_of_the_group(KvFormat format)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(8, 2, 64) { Sharpness = 3 });
        int sequence = world.Add(format);
        double[][] expected = [[], []];
        foreach (int rows in (int[])[200, 1, 100, 1])
        {
            StepResult step = world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows, Squared = false, LargestOfGroup = true });
            for (int head = 0; head < 2; head++)
            {
                AttentionReference reference = new(world, sequence, head);
                double[] sums = expected[head] = [.. expected[head], .. new double[rows]];
                for (int row = 0; row < rows; row++)
                {
                    double[][] weights = reference.GroupWeights(step, 0, rows, row);
                    for (int j = 0; j < sums.Length; j++)
                        sums[j] += weights.Max(w => w[j]);
                }

                AssertNear(sums, world.Scores(sequence, head), 1e-4, 1e-7, $"scores after {rows} rows, head {head}");
            }
        }
    }

    [Fact]
    public void Accumulated_scores_rise_to_the_largest_weight()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(8, 2, 64) { Sharpness = 3 });
        int sequence = world.Add(KvFormat.F16);
        double[][] expected = [[], []];
        foreach (int rows in (int[])[200, 1, 100, 1])
        {
            StepResult step = world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows, Largest = true });
            for (int head = 0; head < 2; head++)
            {
                AttentionReference reference = new(world, sequence, head);
                double[] most = expected[head] = [.. expected[head], .. new double[rows]];
                for (int row = 0; row < rows; row++)
                {
                    foreach (double[] weights in reference.GroupWeights(step, 0, rows, row))
                    {
                        for (int j = 0; j < weights.Length; j++)
                            most[j] = Math.Max(most[j], weights[j]);
                    }
                }

                AssertNear(most, world.Scores(sequence, head), 1e-4, 1e-7, $"scores after {rows} rows, head {head}");
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Accumulated_scores_grow_by_each_row(bool squared)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(8, 2, 64) { Sharpness = 3 });
        int sequence = world.Add(KvFormat.F16);
        double[][] expected = [[], []];
        foreach (int rows in (int[])[200, 1, 100, 1])
        {
            StepResult step = world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows, Squared = squared });
            for (int head = 0; head < 2; head++)
            {
                AttentionReference reference = new(world, sequence, head);
                double[] sums = expected[head] = [.. expected[head], .. new double[rows]];
                for (int row = 0; row < rows; row++)
                {
                    foreach (double[] weights in reference.GroupWeights(step, 0, rows, row))
                    {
                        for (int j = 0; j < weights.Length; j++)
                            sums[j] += squared ? weights[j] * weights[j] : weights[j];
                    }
                }

                AssertNear(sums, world.Scores(sequence, head), 1e-4, 1e-7, $"scores of head {head}");
            }
        }
    }

    [Fact]
    public void Huge_logits_and_tiny_values_stay_exact()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, 64) { Sharpness = 200 });
        world.Tamper = (_, token, row) =>
        {
            for (int i = 128; i < row.Length; i++)
                row[i] *= token % 3 == 0 ? 1e-6f : token % 3 == 1 ? 3e4f : 1;
        };
        int sequence = world.Add(KvFormat.F16);
        CheckOutputs(world, world.Step(new StepPart(sequence, 300)), 0, sequence, 300);
    }

    [Fact]
    public void A_nan_query_harms_only_its_own_row()
    {
        using IComputeBackend backend = Create();
        LayerShape layer = new(3, 1, 64);
        float[][] clean = Run(null), harmed = Run((_, token, row) =>
        {
            if (token == 305)
                row.AsSpan(0, 3 * 64).Fill(float.NaN);
        });
        Assert.All(harmed[5], value => Assert.True(float.IsNaN(value)));
        for (int row = 0; row < clean.Length; row++)
        {
            if (row != 5)
                Assert.Equal(clean[row], harmed[row]);
        }

        float[][] Run(Action<int, int, float[]>? tamper)
        {
            using AttentionWorld world = new(backend, layer) { Tamper = tamper };
            int sequence = world.Add(KvFormat.F16);
            world.Step(new StepPart(sequence, 300));
            return world.Step(new StepPart(sequence, 20)).Outputs;
        }
    }

    internal static void CheckOutputs(AttentionWorld world, StepResult step, int firstRow, int sequence, int rows, float[]? logWeights = null)
    {
        LayerShape layer = world.Layer;
        for (int head = 0; head < layer.KvHeads; head++)
        {
            AttentionReference reference = new(world, sequence, head, logWeights);
            for (int row = 0; row < rows; row += rows > 64 ? 5 : 1)
            {
                double[][] weights = reference.GroupWeights(step, firstRow, rows, row);
                for (int g = 0; g < layer.Group; g++)
                {
                    int start = ((head * layer.Group) + g) * layer.HeadDim;
                    double[] expected = reference.Output(weights[g]);
                    AssertNear(expected, step.Outputs[firstRow + row][start..(start + layer.HeadDim)], 1e-4, 3e-5 * expected.Max(Math.Abs), $"{reference}, row {row}, member {g}");
                }
            }
        }
    }

    internal static void AssertNear(double[] expected, float[] actual, double relative, double absolute, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= absolute + (relative * Math.Abs(expected[i]))))
                Assert.Fail($"{what}: number {i} is {actual[i]}, not {expected[i]}.");
        }
    }
}
