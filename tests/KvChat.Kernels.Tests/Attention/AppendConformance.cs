namespace KvChat.Kernels.Tests.Attention;

/// <summary>What appending must do on every back end.</summary>
public abstract class AppendConformance
{
    protected abstract IComputeBackend Create();

    [Theory]
    [InlineData(64, 32, false, KvFormat.F32)]
    [InlineData(64, 32, true, KvFormat.F16)]
    [InlineData(80, 10, true, KvFormat.F32)]
    [InlineData(8, 4, true, KvFormat.F16)]
    public void Rows_are_normalised_rotated_and_stored(int headDim, int pairs, bool norms, KvFormat format)
    {
        const int Rows = 45;
        const float Magnitude = 1.25f;
        LayerShape layer = new(6, 2, headDim);
        using IComputeBackend backend = Create();
        float[] frequencies = [.. Enumerable.Range(0, pairs).Select(i => MathF.Pow(10000, -(float)i / pairs))];
        float[] queryNorm = [.. Enumerable.Range(0, headDim).Select(i => 0.5f + (0.01f * i))], keyNorm = [.. queryNorm.Select(w => 2 - w)];
        using DeviceRotary rotary = backend.CreateRotary(frequencies, Magnitude);
        using DeviceVector queryWeights = backend.CreateVector(queryNorm), keyWeights = backend.CreateVector(keyNorm);
        using AttentionWorld world = new(backend, layer) { Rotary = rotary, QueryNorm = norms ? queryWeights : null, KeyNorm = norms ? keyWeights : null };
        int sequence = world.Add(format);
        StepResult step = world.Step(new StepPart(sequence, Rows));
        float[] keys = new float[Rows * headDim], values = new float[Rows * headDim];
        for (int kv = 0; kv < 2; kv++)
        {
            world.Arena.ReadKeys(world.Head(sequence, kv), format, keys);
            world.Arena.ReadValues(world.Head(sequence, kv), format, values);
            for (int row = 0; row < Rows; row++)
            {
                float[] source = world.Row(sequence, row);
                double tolerance = format == KvFormat.F16 ? 1.0 / 2048 : 1e-5;
                AssertNear(Expected(source, 6 + kv, norms ? keyNorm : null, row), keys.AsSpan(row * headDim, headDim), tolerance);
                AssertNear([.. source.Skip((8 + kv) * headDim).Take(headDim).Select(x => (double)x)], values.AsSpan(row * headDim, headDim), tolerance);
                for (int head = 0; head < 6; head++)
                    AssertNear(Expected(source, head, norms ? queryNorm : null, row), step.Rows[row].AsSpan(head * headDim, headDim), 1e-5);
            }
        }

        double[] Expected(float[] row, int head, float[]? norm, int position)
        {
            double[] x = [.. row.Skip(head * headDim).Take(headDim).Select(v => (double)v)];
            if (norm != null)
            {
                double root = Math.Sqrt(x.Sum(v => v * v / headDim) + 1e-5);
                x = [.. x.Select((v, i) => v / root * norm[i])];
            }

            double[] y = [.. x];
            for (int i = 0; i < pairs; i++)
            {
                (double sine, double cosine) = Math.SinCos(position * frequencies[i]);
                y[i] = ((x[i] * cosine) - (x[i + pairs] * sine)) * Magnitude;
                y[i + pairs] = ((x[i + pairs] * cosine) + (x[i] * sine)) * Magnitude;
            }

            return y;
        }
    }

    [Fact]
    public void Norms_over_all_heads_and_long_tables_are_applied()
    {
        const int HeadDim = 32, Rows = 3;
        using IComputeBackend backend = Create();
        float[] queryNorm = [.. Enumerable.Range(0, 6 * HeadDim).Select(i => 0.5f + (0.01f * i))], keyNorm = [.. queryNorm.Take(2 * HeadDim).Reverse()];
        using DeviceVector queryWeights = backend.CreateVector(queryNorm), keyWeights = backend.CreateVector(keyNorm);
        using DeviceRotary ofShort = backend.CreateRotary([1f, 0.1f]), ofLong = backend.CreateRotary([0.5f, 0.01f]);
        foreach (bool isLong in (bool[])[false, true])
        {
            using AttentionWorld world = new(backend, new LayerShape(6, 2, HeadDim))
            {
                Rotary = ofShort, LongRotary = ofLong, UsesLongRotary = isLong, QueryNorm = queryWeights, KeyNorm = keyWeights,
            };
            int sequence = world.Add(KvFormat.F32);
            StepResult step = world.Step(new StepPart(sequence, Rows));
            float[] keys = new float[Rows * HeadDim];
            for (int row = 0; row < Rows; row++)
            {
                float[] source = world.Row(sequence, row);
                AssertNear(Expected(source[..(6 * HeadDim)], queryNorm, row, isLong), step.Rows[row].AsSpan(0, 6 * HeadDim), 1e-5);
                double[] expected = Expected(source[(6 * HeadDim)..(8 * HeadDim)], keyNorm, row, isLong);
                for (int kv = 0; kv < 2; kv++)
                {
                    world.Arena.ReadKeys(world.Head(sequence, kv), KvFormat.F32, keys);
                    AssertNear(expected[(kv * HeadDim)..((kv + 1) * HeadDim)], keys.AsSpan(row * HeadDim, HeadDim), 1e-5);
                }
            }
        }

        static double[] Expected(float[] row, float[] norm, int position, bool isLong)
        {
            double root = Math.Sqrt(row.Sum(v => (double)v * v / row.Length) + 1e-5);
            double[] x = [.. row.Select((v, i) => v / root * norm[i])];
            for (int head = 0; head < row.Length; head += HeadDim)
            {
                for (int i = 0; i < 2; i++)
                {
                    (double sine, double cosine) = Math.SinCos(position * (isLong ? i == 0 ? 0.5 : 0.01 : i == 0 ? 1 : 0.1));
                    (double a, double b) = (x[head + i], x[head + i + 2]);
                    (x[head + i], x[head + i + 2]) = ((a * cosine) - (b * sine), (b * cosine) + (a * sine));
                }
            }

            return x;
        }
    }

    [Fact]
    public void Halves_round_to_nearest_even_and_saturate()
    {
        (float Number, float Half)[] cases =
        [
            (1f, 1f), (-0f, -0f), (65504f, 65504f), (65519f, 65504f), (1e9f, 65504f), (float.NegativeInfinity, -65504f), (float.NaN, float.NaN),
            (1.00048828125f, 1f), (1.00146484375f, 1.001953125f), (6.1035156e-5f, 6.1035156e-5f), (6.0975552e-5f, 6.0975552e-5f),
            (5.9604645e-8f, 5.9604645e-8f), (2.9802322e-8f, 0f), (2.98e-8f * 1.01f, 5.9604645e-8f), (8.9406967e-8f, 1.1920929e-7f), (-1e-12f, -0f),
        ];
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(1, 1, 16));
        world.Tamper = (_, _, row) =>
        {
            for (int i = 0; i < 16; i++)
                row[16 + i] = row[32 + i] = cases[i].Number;
        };
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 1));
        float[] keys = new float[16], values = new float[16];
        world.Arena.ReadKeys(world.Head(sequence, 0), KvFormat.F16, keys);
        world.Arena.ReadValues(world.Head(sequence, 0), KvFormat.F16, values);
        Assert.Equal(cases.Select(c => c.Half), keys);
        Assert.Equal(cases.Select(c => c.Half), values);
    }

    [Fact]
    public void Appended_kvs_have_positions_and_no_score()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 64));
        int sequence = world.Add(KvFormat.F16);
        world.Step(new StepPart(sequence, 40) { Observation = ObservationMode.Accumulate, ObservedRows = 40 });
        world.Truncate(sequence, 0, 30);
        world.Step(new StepPart(sequence, 5));
        int[] positions = new int[35];
        world.Arena.ReadPositions(world.Head(sequence, 0), KvFormat.F16, positions);
        Assert.Equal([.. Enumerable.Range(0, 30), .. Enumerable.Range(40, 5)], positions);
        Assert.All(world.Scores(sequence, 0)[30..], score => Assert.Equal(0, score));
        Assert.All(world.Scores(sequence, 0)[..30], score => Assert.NotEqual(0, score));
    }

    [Fact]
    public void Rows_that_do_not_fit_are_refused()
    {
        using IComputeBackend backend = Create();
        using AttentionWorld world = new(backend, new LayerShape(2, 1, 64));
        int sequence = world.Add(KvFormat.F16);
        Assert.Contains("ObservedRows", Assert.Throws<ArgumentException>(() => world.Step(new StepPart(sequence, 2) { Observation = ObservationMode.Window, ObservedRows = 3 })).Message, StringComparison.Ordinal);
        Assert.Contains("PoolWidth", Assert.Throws<ArgumentException>(() => world.Step(new StepPart(sequence, 2) { Observation = ObservationMode.Window, ObservedRows = 1, PoolWidth = 4 })).Message, StringComparison.Ordinal);
    }

    private static void AssertNear(double[] expected, ReadOnlySpan<float> actual, double tolerance)
    {
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= tolerance * largest))
                Assert.Fail($"Number {i} is {actual[i]}, not {expected[i]}.");
        }
    }
}
