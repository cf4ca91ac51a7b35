using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Benchmarks.Kernels;

/// <summary>
/// One gated layer of a small model: 576 inputs, twice 1536 outputs, RMS norm before and SiLU gate after. One row shows how fast weights are read (GB/s, to
/// be held against the machine's memory), many rows how fast they are multiplied (GMAC/s, to be held against the roof command). Allocated bytes must be 0.
/// </summary>
[MemoryDiagnoser]
[Config(typeof(Rates))]
#pragma warning disable CA1001 // BenchmarkDotNet calls GlobalCleanup, never Dispose
public unsafe class LinearBenchmarks
#pragma warning restore CA1001
{
    private const int Inputs = 576;
    private const int Outputs = 1536;

    // Together larger than a second-level cache, so that one row reads its weights from further out, as a whole model does.
    private const int Layers = 8;

    private readonly DeviceMatrix[] _layers = new DeviceMatrix[Layers];
    private CpuBackend _backend = null!;
    private DeviceTensor _input = null!;
    private DeviceTensor _output = null!;
    private DeviceVector _norm = null!;
    private int _next;

    [Params(WeightFormat.Q4_1, WeightFormat.Q8_0)]
    public WeightFormat Format { get; set; }

    [Params(1, 8, 512)]
    public int Rows { get; set; }

    [Params(512, 256, 128)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Load()
    {
        _backend = new CpuBackend(new CpuBackendOptions { SimdWidth = Width });
        _input = _backend.CreateTensor(Rows, Inputs);
        _output = _backend.CreateTensor(Rows, Outputs);
        _norm = _backend.CreateVector(Enumerable.Repeat(1f, Inputs).ToArray());
        Random random = new(1);
        for (int i = 0; i < Layers; i++)
        {
            byte[] weights = new byte[2 * Outputs * WeightFormats.RowBytes(Format, Inputs)];
            random.NextBytes(weights);
            FillScales(weights);
            fixed (byte* data = weights)
            {
                MatrixData part = new(Format, Outputs, Inputs, data);
                _layers[i] = _backend.LoadMatrix([part, part]);
            }
        }

        float[] row = new float[Inputs];
        for (int i = 0; i < Rows; i++)
        {
            for (int k = 0; k < Inputs; k++)
            {
                row[k] = random.NextSingle() - 0.5f;
            }

            _backend.Write(_input, i, row);
        }
    }

    [Benchmark]
    public void NormGateUp() => _backend.Linear(new LinearOperation
    {
        Input = _input,
        Rows = Rows,
        Weight = _layers[_next++ % Layers],
        Output = _output,
        Norm = _norm,
        NormEpsilon = 1e-5f,
        Epilogue = LinearEpilogue.GatedSilu,
    });

    [GlobalCleanup]
    public void Free()
    {
        foreach (DeviceMatrix layer in _layers)
        {
            layer.Dispose();
        }

        _input.Dispose();
        _output.Dispose();
        _norm.Dispose();
        _backend.Dispose();
    }

    // Q4_1 has two halves in front of each block, Q8_0 one; random bits there could be infinite.
    private void FillScales(Span<byte> weights)
    {
        int halves = Format == WeightFormat.Q4_1 ? 2 : 1;
        for (int at = 0; at < weights.Length; at += WeightFormats.BlockBytes(Format))
        {
            MemoryMarshal.Cast<byte, Half>(weights.Slice(at, halves * 2)).Fill((Half)0.01f);
        }
    }

    private sealed class Rates : ManualConfig
    {
        public Rates()
        {
            AddColumn(new Rate("GB/s", parameters => 2.0 * Outputs * WeightFormats.RowBytes(Format(parameters), Inputs)));
            AddColumn(new Rate("GMAC/s", parameters => 2.0 * Outputs * Inputs * (int)parameters[nameof(Rows)]));
        }

        private static WeightFormat Format(BenchmarkDotNet.Parameters.ParameterInstances parameters) => (WeightFormat)parameters[nameof(LinearBenchmarks.Format)];
    }

    /// <summary>What an operation moves or computes, by its mean time.</summary>
    private sealed class Rate(string name, Func<BenchmarkDotNet.Parameters.ParameterInstances, double> amount) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => $"{name} of weights, by the mean time";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
            summary[benchmarkCase]?.ResultStatistics is { } statistics ? $"{amount(benchmarkCase.Parameters) / statistics.Mean:F1}" : "-";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;
    }
}
