using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Tests.Attention;

/// <summary>What pages of codes must do on every back end.</summary>
public abstract unsafe class FormatConformance
{
    public static TheoryData<KvFormat, int, int, bool> Shapes
    {
        get
        {
            TheoryData<KvFormat, int, int, bool> data = [];
            foreach (KvFormat format in (KvFormat[])[KvFormat.BF16, KvFormat.K8V8, KvFormat.K8V4, KvFormat.K4V4, KvFormat.K4V2])
            {
                foreach ((int headDim, int group) in ((int, int)[])[(64, 3), (64, 4), (80, 2), (96, 1), (128, 5), (256, 1), (16, 2), (32, 8), (24, 1)])
                    data.Add(format, headDim, group, (headDim + group) % 2 == 1);
            }

            return data;
        }
    }

    protected abstract IComputeBackend Create();

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Attention_reads_codes_as_the_numbers_that_they_stand_for(KvFormat format, int headDim, int group, bool rotate)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(group * 2, 2, headDim) { Rotate = rotate, LogWeights = headDim == 80, SoftCap = headDim == 96 ? 15 : 0, Sharpness = 2 });
        int sequence = world.Add(format);
        foreach (int rows in (int[])[37, 1, 290, 1, 3])
            AttentionConformance.CheckOutputs(world, world.Step(new StepPart(sequence, rows)), 0, sequence, rows);
    }

    [Theory]
    [InlineData(KvFormat.K8V4, KvFormat.K4V2, 64, 0, true)]
    [InlineData(KvFormat.K8V4, KvFormat.K4V2, 64, 0, false)]
    [InlineData(KvFormat.K8V8, KvFormat.K4V4, 80, 150, true)]
    [InlineData(KvFormat.F16, KvFormat.K8V4, 128, 60, true)]
    [InlineData(KvFormat.F32, KvFormat.K4V2, 64, 0, true)]
    [InlineData(KvFormat.K4V2, KvFormat.K8V8, 64, 0, true)]
    public void Both_ends_of_a_table_are_read_in_one_pass(KvFormat high, KvFormat low, int headDim, int window, bool rotate)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(6, 2, headDim) { Rotate = rotate, SlidingWindow = window, Sharpness = 2 });
        int sequence = world.Add(high, low), other = world.Add(low, KvFormat.K8V8);
        world.Step(new StepPart(sequence, 400), new StepPart(other, 30));
        world.Demote(sequence, 0, 3, 1);
        world.Demote(sequence, 1, 1, 0);
        world.Demote(other, 0, 2, 1);
        foreach (int rows in (int[])[1, 33, 2])
        {
            StepResult step = world.Step(new StepPart(other, 4), new StepPart(sequence, rows));
            AttentionConformance.CheckOutputs(world, step, 0, other, 4);
            AttentionConformance.CheckOutputs(world, step, 4, sequence, rows);
        }
    }

    [Theory]
    [InlineData(KvFormat.K8V4, 1)]
    [InlineData(KvFormat.K4V4, 9)]
    [InlineData(KvFormat.BF16, 25)]
    public void Window_scores_over_codes_follow_their_formula(KvFormat format, int pool)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(6, 2, 64) { Sharpness = 3, Rotate = pool == 9 });
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, 500));
        StepPart part = new(sequence, 40) { Observation = ObservationMode.Window, ObservedRows = 32, PoolWidth = pool };
        StepResult step = world.Step(part);
        for (int head = 0; head < 2; head++)
            AttentionConformance.AssertNear(new AttentionReference(world, sequence, head).WindowScores(step, 0, 40, part), world.Scores(sequence, head), 1e-3, 1e-7, $"{format}, head {head}");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(12)]
    public void Accumulated_scores_grow_in_both_ends(int rows)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(3, 1, 64) { Sharpness = 3 });
        int sequence = world.Add(KvFormat.K8V4);
        world.Step(new StepPart(sequence, 300));
        world.Demote(sequence, 0, 2, 0);
        double[] sums = new double[300];
        for (int i = 0; i < 3; i++)
        {
            StepResult step = world.Step(new StepPart(sequence, rows) { Observation = ObservationMode.Accumulate, ObservedRows = rows });
            sums = [.. sums, .. new double[rows]];
            AttentionReference reference = new(world, sequence, 0);
            for (int row = 0; row < rows; row++)
            {
                foreach (double[] weights in reference.GroupWeights(step, 0, rows, row))
                {
                    for (int j = 0; j < sums.Length; j++)
                        sums[j] += weights[j] * weights[j];
                }
            }
        }

        AttentionConformance.AssertNear(sums, world.Scores(sequence, 0), 1e-3, 1e-7, "scores");
    }

    [Theory]
    [InlineData(KvFormat.K8V8, 64)]
    [InlineData(KvFormat.K8V4, 80)]
    [InlineData(KvFormat.K4V4, 24)]
    [InlineData(KvFormat.K4V2, 128)]
    public void Codes_are_at_most_half_a_step_away(KvFormat format, int headDim)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, headDim) { Rotate = false });
        world.Tamper = (_, token, row) =>
        {
            for (int i = headDim; i < row.Length; i++)
                row[i] = token == 0 ? 3 : (row[i] * MathF.Pow(10, (token % 7) - 3)) + (token % 3 * 5);
        };
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, 90));
        float[] keys = new float[90 * headDim], values = new float[90 * headDim];
        world.Arena.ReadKeys(world.Head(sequence, 0), format, keys);
        world.Arena.ReadValues(world.Head(sequence, 0), format, values);
        for (int token = 0; token < 90; token++)
        {
            float[] row = world.Row(sequence, token);
            AssertSteps(row.AsSpan(headDim, headDim), keys.AsSpan(token * headDim, headDim), format.KeyBits(), token);
            AssertSteps(row.AsSpan(2 * headDim, headDim), values.AsSpan(token * headDim, headDim), format.ValueBits(), token);
        }

        static void AssertSteps(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, int bits, int token)
        {
            float least = float.MaxValue, most = float.MinValue;
            foreach (float x in expected)
                (least, most) = (Math.Min(least, x), Math.Max(most, x));

            // The zero point is a half: what it is off by is lost at one end of the range.
            double allowed = (0.501 * (most - least) / ((1 << bits) - 1)) + (Math.Max(Math.Abs(least), Math.Abs(most)) / 2048) + 1e-6;
            for (int i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(expected[i] - actual[i]) <= allowed, $"token {token}, number {i}: {actual[i]} for {expected[i]}, {allowed} allowed");
        }
    }

    [Fact]
    public void A_rotation_spreads_what_sticks_out()
    {
        double plain = Error(false), rotated = Error(true);
        Assert.True(rotated < plain / 2, $"rotated {rotated}, plain {plain}");

        double Error(bool rotate)
        {
            using IComputeBackend backend = Create();
            using AttentionWorld world = new(backend, new LayerShape(1, 1, 96) { Rotate = rotate });
            world.Tamper = (_, _, row) => row[96 + 17] = 40;
            int sequence = world.Add(KvFormat.K4V4);
            world.Step(new StepPart(sequence, 50));
            float[] keys = new float[50 * 96];
            world.Arena.ReadKeys(world.Head(sequence, 0), KvFormat.K4V4, keys);
            return Enumerable.Range(0, 50).Sum(token => world.Row(sequence, token).Skip(96).Take(96).Select((x, i) => i == 17 ? 0 : Math.Pow(x - keys[(token * 96) + i], 2)).Sum());
        }
    }

    [Theory]
    [InlineData(64, 0.0075)]
    [InlineData(128, 0.0082)]
    [InlineData(80, 0.0085)]
    public void Turned_keys_of_4_bits_take_the_size_of_levels_that_comes_nearest(int headDim, double mostError)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, headDim) { Rotate = true });
        const int tokens = 300;
        world.Tamper = (_, token, row) =>
        {
            for (int i = headDim; i < 2 * headDim; i++)
                row[i] *= token % 5 == 4 ? 0 : MathF.Pow(10, (token % 7) - 3);
        };
        int sequence = world.Add(KvFormat.K4V4);
        world.Step(new StepPart(sequence, tokens));
        float[] read = new float[tokens * headDim];
        world.Arena.ReadKeys(world.Head(sequence, 0), KvFormat.K4V4, read);
        double mean = AssertNearest(tokens, token => world.Row(sequence, token)[headDim..(2 * headDim)], read, LevelErrors, 1e-6, token => true);
        Assert.True(mean < mostError, $"relative squared error {mean}"); // levels of the key's own size alone: 0.0089 at 64, 0.0092 at 128
    }

    [Theory]
    [InlineData(64, 0.119)]
    [InlineData(128, 0.133)]
    [InlineData(80, 0.119)]
    public void Turned_values_of_2_bits_take_the_range_that_comes_nearest(int headDim, double mostError)
    {
        const KvFormat format = KvFormat.K4V2;
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, headDim) { Rotate = true });
        const int tokens = 300;
        world.Tamper = (_, token, row) =>
        {
            for (int i = 2 * headDim; i < 3 * headDim; i++)
                row[i] = (row[i] + (token % 3)) * (token % 5 == 4 ? 0 : MathF.Pow(10, (token % 7) - 3));
        };
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, tokens));
        float[] read = new float[tokens * headDim];
        world.Arena.ReadValues(world.Head(sequence, 0), format, read);
        int levels = (1 << format.ValueBits()) - 1;
        double mean = AssertNearest(tokens, token => world.Row(sequence, token)[(2 * headDim)..(3 * headDim)], read, turned => RangeErrors(turned, levels), 2e-6, token => token % 3 == 0);
        Assert.True(mean < mostError, $"relative squared error {mean}"); // from the smallest to the largest number: 0.203 at 64, 0.251 at 128
    }

    // What is read back comes as near as the nearest of all candidates, zeros exactly; returns the mean of squared error over squared length for those that count.
    private static double AssertNearest(int tokens, Func<int, float[]> stored, float[] read, Func<float[], IEnumerable<double>> candidates, double slack, Func<int, bool> counts)
    {
        List<double> errors = [];
        for (int token = 0; token < tokens; token++)
        {
            float[] numbers = stored(token);
            double size = numbers.Sum(x => (double)x * x), error = numbers.Select((x, i) => Math.Pow(x - read[(token * numbers.Length) + i], 2)).Sum();
            if (size == 0)
            {
                Assert.Equal(0, error);
                continue;
            }

            fixed (float* turned = numbers)
                Hadamard.Rotate(turned, numbers.Length);
            double least = candidates(numbers).Min();
            Assert.True(error <= (1.002 * least) + (slack * size), $"token {token}: squared error {error}, {least} with the nearest candidate");
            if (counts(token))
                errors.Add(error / size);
        }

        return errors.Average();
    }

    [Theory]
    [InlineData(KvFormat.K8V4, 64)]
    [InlineData(KvFormat.K4V4, 80)]
    public void Turned_values_of_4_bits_are_at_most_half_a_step_away(KvFormat format, int headDim)
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, headDim) { Rotate = true });
        const int tokens = 40;
        int sequence = world.Add(format);
        world.Step(new StepPart(sequence, tokens));
        float[] read = new float[tokens * headDim];
        world.Arena.ReadValues(world.Head(sequence, 0), format, read);
        for (int token = 0; token < tokens; token++)
        {
            float[] value = world.Row(sequence, token)[(2 * headDim)..(3 * headDim)], seen = read[(token * headDim)..((token + 1) * headDim)];
            fixed (float* turned = value, turnedSeen = seen)
            {
                Hadamard.Rotate(turned, headDim);
                Hadamard.Rotate(turnedSeen, headDim);
            }

            float halfStep = (value.Max() - value.Min()) / 30;
            for (int i = 0; i < headDim; i++)
                Assert.True(Math.Abs(value[i] - seen[i]) <= 1.02f * halfStep, $"token {token}, number {i}: {seen[i]} for {value[i]}, half a step is {halfStep}");
        }
    }

    // Squared errors of codes in six ranges, each with the line that fits them best.
    private static IEnumerable<double> RangeErrors(float[] turned, int levels)
    {
        double middle = (turned.Min() + (double)turned.Max()) / 2, half = (turned.Max() - (double)turned.Min()) / 2, mean = turned.Average(x => (double)x);
        foreach (double part in (double[])[1, 0.92, 0.84, 0.76, 0.68, 0.6])
        {
            double step = 2 * half * part / levels;
            double[] codes = [.. turned.Select(x => Math.Clamp(Math.Floor(((x - middle + (half * part)) / step) + 0.5), 0, levels))];
            double code = codes.Average(), slope = codes.Zip(turned, (c, x) => (c - code) * (x - mean)).Sum() / codes.Sum(c => (c - code) * (c - code));
            yield return codes.Zip(turned, (c, x) => Math.Pow(x - mean - ((c - code) * slope), 2)).Sum();
        }
    }

    // Squared errors of the nearest levels in seven sizes, each with the scale that fits them best.
    private static IEnumerable<double> LevelErrors(float[] turned)
    {
        double[] levels = [6, 18, 31, 44, 58, 75, 96, 127];
        double own = Math.Sqrt(turned.Average(x => (double)x * x)) * 2.7326 / 127;
        foreach (double size in (double[])[0.76, 0.84, 0.92, 1, 1.08, 1.16, 1.24])
        {
            double[] chosen = [.. turned.Select(x => Math.Sign(x) * levels.MinBy(l => Math.Abs((Math.Abs(x) / own * size) - l)))];
            double product = chosen.Zip(turned, (l, x) => l * x).Sum(), norm = chosen.Sum(l => l * l);
            yield return chosen.Zip(turned, (l, x) => Math.Pow(x - (l * product / norm), 2)).Sum();
        }
    }

    [Theory]
    [InlineData(16, 64)]
    [InlineData(32, 128)]
    [InlineData(16, 80)]
    public void Fewer_bits_put_more_kvs_into_the_same_bytes(int pageTokens, int headDim)
    {
        using IComputeBackend backend = Create();
        using KvArena arena = backend.CreateArena(new KvArenaShape(headDim, pageTokens, 4));
        foreach (KvFormat format in Enum.GetValues<KvFormat>())
        {
            int slots = arena.PageTokens(format), bytes = arena.Shape.BytesPerKv(format);
            Assert.True(slots * bytes <= arena.PageImageBytes, $"{slots} KVs of {bytes} bytes in {format} do not fit {arena.PageImageBytes}");
            if (format.IsQuantized())
                Assert.True((slots + 1) * bytes > arena.PageImageBytes, $"{format} has room for more than {slots}");
        }

        Assert.Equal(pageTokens, arena.PageTokens(KvFormat.F16));
        Assert.Equal(pageTokens / 2, arena.PageTokens(KvFormat.F32));
    }
}
