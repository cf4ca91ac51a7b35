using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>What holds for linear layers of every back end; a back end's runner says how it is made.</summary>
public abstract class LinearConformance
{
    public static TheoryData<WeightFormat> Formats => [.. WeightFormats.All.ToArray()];

    /// <summary>Makes the back end under test.</summary>
    protected abstract IComputeBackend Create(ActivationPrecision activations);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Float_products_match_fp64(WeightFormat format) => Matches(Case(format, 50, 512, 3), ActivationPrecision.Float32);

    [Theory]
    [MemberData(nameof(Formats))]
    public void Integer_products_stay_within_the_rounding_of_activations(WeightFormat format) => Matches(Case(format, 50, 512, 3), ActivationPrecision.Int8);

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_row_has_the_same_bits_whatever_is_beside_it(WeightFormat format)
    {
        LinearCase operation = Case(format, 40, 256, 75);
        foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
        {
            using IComputeBackend backend = Create(precision);
            float[][] alone = operation.Run(backend, rowsAtOnce: 1);
            foreach (int rows in (int[])[2, 4, 5, 8, 13, 75])
            {
                AssertSameBits(alone, operation.Run(backend, rows));
            }
        }
    }

    [Theory]
    [InlineData(WeightFormat.Q4_1, 1)]
    [InlineData(WeightFormat.Q4_1, 17)]
    [InlineData(WeightFormat.Q8_0, 33)]
    [InlineData(WeightFormat.Q6_K, 15)]
    [InlineData(WeightFormat.F32, 7)]
    public void Rows_need_not_fill_panels(WeightFormat format, int rows) => MatchesBoth(Case(format, rows, 256, 9));

    [Theory]
    [InlineData(WeightFormat.F32, 1)]
    [InlineData(WeightFormat.F32, 37)]
    [InlineData(WeightFormat.F16, 100)]
    [InlineData(WeightFormat.BF16, 333)]
    [InlineData(WeightFormat.Q4_0, 32)]
    [InlineData(WeightFormat.Q8_0, 96)]
    [InlineData(WeightFormat.Q4_1, 1536)]
    public void Columns_need_only_fill_blocks(WeightFormat format, int columns) => MatchesBoth(Case(format, 20, columns, 6, norm: true));

    [Fact]
    public void Parts_may_differ_in_format() => MatchesBoth(new LinearCase
    {
        Parts = [new(WeightFormat.Q4_1, 24, 256, 1), new(WeightFormat.Q8_0, 8, 256, 2), new(WeightFormat.Q6_K, 8, 256, 3), new(WeightFormat.F16, 5, 256, 4)],
        Input = LinearCase.RandomInput(11, 256, 5),
        Norm = LinearCase.RandomVector(256, 6),
        Bias = LinearCase.RandomVector(45, 7),
    });

    [Theory]
    [InlineData(LinearEpilogue.Store, 0f)]
    [InlineData(LinearEpilogue.Store, -2.5f)]
    [InlineData(LinearEpilogue.Add, 0f)]
    [InlineData(LinearEpilogue.Add, 0.125f)]
    public void Epilogues_scale_and_add(LinearEpilogue epilogue, float scale) => MatchesBoth(new LinearCase
    {
        Parts = [new(WeightFormat.Q4_0, 37, 128, 1)],
        Input = LinearCase.RandomInput(10, 128, 5),
        Bias = LinearCase.RandomVector(37, 7),
        Epilogue = epilogue,
        Scale = scale,
    });

    [Theory]
    [InlineData(LinearEpilogue.GatedSilu)]
    [InlineData(LinearEpilogue.GatedGelu)]
    public void Gates_join_two_parts(LinearEpilogue epilogue) => MatchesBoth(new LinearCase
    {
        Parts = [new(WeightFormat.Q4_1, 37, 128, 1), new(WeightFormat.Q8_0, 37, 128, 2)],
        Input = LinearCase.RandomInput(10, 128, 5),
        Norm = LinearCase.RandomVector(128, 6),
        Bias = LinearCase.RandomVector(74, 7),
        Epilogue = epilogue,
    });

    [Fact]
    public void Rotary_pairs_are_brought_into_halves_order() => MatchesBoth(new LinearCase
    {
        Parts = [new(WeightFormat.Q4_1, 32, 64, 1, pairedHeadDim: 16), new(WeightFormat.F32, 16, 64, 2, pairedHeadDim: 8)],
        Input = LinearCase.RandomInput(2, 64, 5),
    });

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_broken_row_breaks_no_other(float broken)
    {
        LinearCase whole = Case(WeightFormat.Q4_1, 40, 256, 6, norm: true);
        float[][] input = [.. whole.Input.Select(row => (float[])row.Clone())];
        input[2][100] = broken;
        LinearCase hurt = new() { Parts = whole.Parts, Input = input, Norm = whole.Norm };
        foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
        {
            using IComputeBackend backend = Create(precision);
            float[][] expected = whole.Run(backend);
            float[][] actual = hurt.Run(backend);
            Assert.All(actual[2], value => Assert.True(float.IsNaN(value)));
            AssertSameBits([.. expected.Where((_, i) => i != 2)], [.. actual.Where((_, i) => i != 2)]);
        }
    }

    [Fact]
    public void Rows_of_zeros_give_zeros()
    {
        LinearCase operation = new() { Parts = [new(WeightFormat.Q4_1, 16, 64, 1)], Input = [new float[64], Enumerable.Repeat(1e-38f, 64).ToArray()] };
        using IComputeBackend backend = Create(ActivationPrecision.Int8);
        Assert.All(operation.Run(backend).SelectMany(row => row), value => Assert.InRange(value, -1e-30f, 1e-30f));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Embedding_copies_rows_exactly(WeightFormat format)
    {
        RandomWeights table = new(format, 45, 256, 3);
        using IComputeBackend backend = Create(ActivationPrecision.Int8);
        using DeviceMatrix matrix = backend.LoadMatrix([table.Data]);
        using DeviceTensor output = backend.CreateTensor(4, 256);
        int[] tokens = [44, 0, 17, 17];
        backend.Embed(matrix, tokens, output);
        float[] row = new float[256];
        for (int i = 0; i < tokens.Length; i++)
        {
            backend.Read(output, i, row);
            Assert.Equal(table.Values.AsSpan(tokens[i] * 256, 256).ToArray(), row);
        }

        backend.Embed(matrix, tokens, output, 3f);
        backend.Read(output, 0, row);
        Assert.Equal(table.Values.AsSpan(44 * 256, 256).ToArray().Select(value => value * 3f), row);
    }

    [Theory]
    [InlineData(WeightFormat.F16)]
    [InlineData(WeightFormat.BF16)]
    [InlineData(WeightFormat.Q8_0)]
    [InlineData(WeightFormat.Q4_K)]
    public void Generated_weights_are_those_that_the_host_makes(WeightFormat format)
    {
        const int Rows = 21, Columns = 256;
        GeneratedWeights weights = new(17, 0.05f, 3);
        byte[] bytes = new byte[Rows * WeightFormats.RowBytes(format, Columns)];
        weights.Fill(format, bytes);
        float[] expected = new float[Rows * Columns], row = new float[Columns];
        Dequantizer.Dequantize(format, bytes, expected);
        using IComputeBackend backend = Create(ActivationPrecision.Float32);
        using DeviceMatrix matrix = backend.LoadMatrix([new MatrixData(format, Rows, Columns, weights)]);
        using DeviceTensor output = backend.CreateTensor(Rows, Columns);
        backend.Embed(matrix, [.. Enumerable.Range(0, Rows)], output);
        for (int i = 0; i < Rows; i++)
        {
            backend.Read(output, i, row);
            Assert.Equal(expected.AsSpan(i * Columns, Columns).ToArray(), row);
        }
    }

    protected static LinearCase Case(WeightFormat format, int rows, int columns, int inputRows, bool norm = false) => new()
    {
        Parts = [new RandomWeights(format, rows, columns, seed: rows + columns)],
        Input = LinearCase.RandomInput(inputRows, columns, seed: columns),
        Norm = norm ? LinearCase.RandomVector(columns, seed: 99) : null,
    };

    protected static void AssertSameBits(float[][] expected, float[][] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].Select(BitConverter.SingleToUInt32Bits), actual[i].Select(BitConverter.SingleToUInt32Bits));
        }
    }

    private void MatchesBoth(LinearCase operation)
    {
        Matches(operation, ActivationPrecision.Float32);
        Matches(operation, ActivationPrecision.Int8);
    }

    private void Matches(LinearCase operation, ActivationPrecision precision)
    {
        using IComputeBackend backend = Create(precision);
        float[][] results = operation.Run(backend);
        for (int i = 0; i < results.Length; i++)
        {
            (double[] values, double[] bounds) = operation.Reference(i, precision == ActivationPrecision.Int8);
            for (int o = 0; o < values.Length; o++)
            {
                Assert.True(Math.Abs(results[i][o] - values[o]) <= bounds[o], $"Row {i}, output {o}: {results[i][o]}, not {values[o]} within {bounds[o]}.");
            }
        }
    }
}
