using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Tests.Linear;

/// <summary>What only some families of models ask for, on every back end: experts, norms behind a layer's parts, capped logits.</summary>
public abstract class FamilyConformance
{
    private const int Width = 96, Count = 8;

    public static TheoryData<WeightFormat> Formats => [.. WeightFormats.All.ToArray()];

    protected abstract IComputeBackend Create(int threads = 1);

    [Theory]
    [InlineData(48, 2, true, WeightFormat.F32)]
    [InlineData(48, 3, false, WeightFormat.F32)]
    [InlineData(32, 8, true, WeightFormat.F32)]
    [InlineData(17, 1, true, WeightFormat.F32)]
    [InlineData(48, 3, false, WeightFormat.F16)]
    [InlineData(48, 2, true, WeightFormat.F16)]
    public void Rows_pass_their_best_experts(int hidden, int perRow, bool normalises, WeightFormat format)
    {
        using IComputeBackend backend = Create();
        using World world = new(backend, hidden, format);
        float[][] input = LinearCase.RandomInput(21, Width, 5), actual = world.Run(input, perRow, normalises, format == WeightFormat.F32 ? 21 : 5);
        for (int row = 0; row < input.Length; row++)
        {
            double[] expected = world.Expected(input[row], perRow, normalises);
            for (int i = 0; i < Width; i++)
                Assert.Equal(expected[i] + 0.25, actual[row][i], 1e-4);
        }
    }

    /// <summary>Weights that a back end has faster ways for.</summary>
    [Theory]
    [InlineData(WeightFormat.F32, 48)]
    [InlineData(WeightFormat.F16, 48)]
    [InlineData(WeightFormat.Q8_0, 64)]
    public void A_row_has_the_same_bits_whoever_shares_its_experts(WeightFormat format, int hidden)
    {
        float[][] input = LinearCase.RandomInput(40, Width, 6);
        float[][]? expected = null;
        foreach (int threads in (int[])[1, 2])
        {
            using IComputeBackend backend = Create(threads);
            using World world = new(backend, hidden, format);
            foreach (int atOnce in (int[])[1, 3, 7, 40])
            {
                float[][] actual = world.Run(input, 3, true, atOnce);
                expected ??= actual;
                for (int i = 0; i < input.Length; i++)
                    Assert.Equal(expected[i].Select(BitConverter.SingleToInt32Bits), actual[i].Select(BitConverter.SingleToInt32Bits));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Experts_may_have_any_format_of_weights(WeightFormat format)
    {
        const int wide = 256;
        using IComputeBackend backend = Create();
        using World world = new(backend, wide, format, wide);
        float[][] input = LinearCase.RandomInput(4, wide, 5), actual = world.Run(input, 2, true, 2);
        for (int row = 0; row < input.Length; row++)
        {
            double[] expected = world.Expected(input[row], 2, true);
            double allowed = 1e-5 * expected.Max(Math.Abs) * Math.Sqrt(wide);
            for (int i = 0; i < wide; i++)
                Assert.Equal(expected[i] + 0.25, actual[row][i], allowed);
        }
    }

    [Theory]
    [InlineData(96, 3)]
    [InlineData(37, 20)]
    public void Normalised_rows_are_added(int columns, int rows)
    {
        using IComputeBackend backend = Create(2);
        float[][] input = LinearCase.RandomInput(rows, columns, 7), before = LinearCase.RandomInput(rows, columns, 8);
        float[] weights = LinearCase.RandomVector(columns, 9);
        using DeviceTensor from = backend.CreateTensor(rows, columns), to = backend.CreateTensor(rows, columns);
        using DeviceVector norm = backend.CreateVector(weights);
        for (int i = 0; i < rows; i++)
        {
            backend.Write(from, i, input[i]);
            backend.Write(to, i, before[i]);
        }

        backend.AddNormed(new NormOperation { Input = from, Rows = rows, Norm = norm, NormEpsilon = 1e-5f, Output = to, Scale = 0.7f });
        float[] actual = new float[columns];
        for (int i = 0; i < rows; i++)
        {
            backend.Read(to, i, actual);
            double root = Math.Sqrt(input[i].Sum(v => (double)v * v / columns) + 1e-5);
            for (int k = 0; k < columns; k++)
                Assert.Equal(before[i][k] + (0.7 * input[i][k] / root * weights[k]), actual[k], 1e-5);
        }
    }

    [Theory]
    [InlineData(3f)]
    [InlineData(30f)]
    public void Stored_products_are_capped(float cap)
    {
        using IComputeBackend backend = Create();
        RandomWeights weights = new(WeightFormat.F32, 37, Width, 3);
        float[][] input = LinearCase.RandomInput(5, Width, 4);
        using DeviceMatrix matrix = backend.LoadMatrix([weights.Data]);
        using DeviceTensor from = backend.CreateTensor(5, Width), to = backend.CreateTensor(5, 37), plain = backend.CreateTensor(5, 37);
        for (int i = 0; i < 5; i++)
            backend.Write(from, i, input[i]);
        LinearOperation operation = new() { Input = from, Rows = 5, Weight = matrix, Output = plain, Scale = 4 };
        backend.Linear(operation);
        backend.Linear(operation with { Output = to, SoftCap = cap });
        float[] expected = new float[37], actual = new float[37];
        for (int i = 0; i < 5; i++)
        {
            backend.Read(plain, i, expected);
            backend.Read(to, i, actual);
            for (int k = 0; k < 37; k++)
                Assert.Equal(cap * Math.Tanh(expected[k] / cap), actual[k], 2e-6 * cap);
        }
    }

    /// <summary>A router and its experts with random weights.</summary>
    private sealed class World : IDisposable
    {
        private readonly IComputeBackend _backend;
        private readonly RandomWeights _router;
        private readonly RandomWeights[] _gate, _up, _down;
        private readonly float[] _norm;
        private readonly DeviceMatrix _routing;
        private readonly DeviceMatrix[] _gateUp, _downs;
        private readonly DeviceVector _norms;
        private readonly int _width;

        public World(IComputeBackend backend, int hidden, WeightFormat format = WeightFormat.F32, int width = Width)
        {
            _backend = backend;
            _width = width;
            _norm = LinearCase.RandomVector(width, 11);
            _router = new(WeightFormat.F32, Count, _width, 1);
            _gate = [.. Enumerable.Range(0, Count).Select(e => new RandomWeights(format, hidden, _width, 100 + e))];
            _up = [.. Enumerable.Range(0, Count).Select(e => new RandomWeights(format == WeightFormat.F32 ? WeightFormat.F16 : format, hidden, _width, 200 + e))];
            _down = [.. Enumerable.Range(0, Count).Select(e => new RandomWeights(format, _width, hidden, 300 + e))];
            _routing = backend.LoadMatrix([_router.Data]);
            _gateUp = [.. Enumerable.Range(0, Count).Select(e => backend.LoadMatrix([_gate[e].Data, _up[e].Data]))];
            _downs = [.. _down.Select(d => backend.LoadMatrix([d.Data]))];
            _norms = backend.CreateVector(_norm);
        }

        /// <summary>Adds the results to rows of 0.25, so many rows in one operation.</summary>
        public float[][] Run(float[][] input, int perRow, bool normalises, int atOnce)
        {
            using DeviceTensor from = _backend.CreateTensor(atOnce, _width), to = _backend.CreateTensor(atOnce, _width);
            float[][] results = new float[input.Length][];
            for (int done = 0; done < input.Length; done += atOnce)
            {
                int rows = Math.Min(atOnce, input.Length - done);
                for (int i = 0; i < rows; i++)
                {
                    _backend.Write(from, i, input[done + i]);
                    _backend.Write(to, i, Enumerable.Repeat(0.25f, _width).ToArray());
                }

                _backend.Experts(new ExpertOperation
                {
                    Input = from, Rows = rows, Norm = _norms, NormEpsilon = 1e-5f, Router = _routing, GateUp = _gateUp, Down = _downs, PerRow = perRow,
                    Normalises = normalises, Activation = LinearEpilogue.GatedSilu, Output = to, Adds = true,
                });
                for (int i = 0; i < rows; i++)
                    _backend.Read(to, i, results[done + i] = new float[_width]);
            }

            return results;
        }

        public double[] Expected(float[] row, int perRow, bool normalises)
        {
            double root = Math.Sqrt(row.Sum(v => (double)v * v / _width) + 1e-5);
            double[] x = [.. row.Select((v, i) => v / root * _norm[i])];
            double[] p = [.. Product(_router, x).Select(Math.Exp)];
            double sum = p.Sum();
            int[] chosen = [.. Enumerable.Range(0, Count).OrderByDescending(e => p[e]).Take(perRow)];
            double total = normalises ? chosen.Sum(e => p[e]) : sum;
            double[] result = new double[_width];
            foreach (int e in chosen)
            {
                double[] gate = Product(_gate[e], x), up = Product(_up[e], x);
                double[] hidden = [.. gate.Select((g, i) => g / (1 + Math.Exp(-g)) * up[i])];
                double[] y = Product(_down[e], hidden);
                for (int i = 0; i < _width; i++)
                    result[i] += p[e] / total * y[i];
            }

            return result;
        }

        public void Dispose()
        {
            _routing.Dispose();
            _norms.Dispose();
            foreach (DeviceMatrix matrix in _gateUp.Concat(_downs))
                matrix.Dispose();
        }

        private static double[] Product(RandomWeights weights, double[] x) =>
            [.. Enumerable.Range(0, weights.Rows).Select(r => x.Select((v, c) => v * weights.Values[(r * weights.Columns) + c]).Sum())];
    }
}

public sealed class ScalarFamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => CpuFamilies.Create(0, threads);
}

public sealed class Vector128FamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => CpuFamilies.Create(128, threads);
}

public sealed class Vector256FamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => CpuFamilies.Create(256, threads);
}

public sealed class Vector512FamilyTests : FamilyConformance
{
    protected override IComputeBackend Create(int threads = 1) => CpuFamilies.Create(512, threads);
}

internal static class CpuFamilies
{
    public static CpuBackend Create(int width, int threads) => new(new CpuBackendOptions
    {
        SimdWidth = SimdWidths.Supports(width) ? width : 0, Threads = threads, Activations = ActivationPrecision.Float32,
    });
}
