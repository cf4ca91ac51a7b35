using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using KvChat.Kernels;

namespace KvChat.Benchmarks.Kernels;

/// <summary>Reading prompts: bound by multiply-adds. Compare GFLOP/s with what the command <c>roof</c> measures.</summary>
[MemoryDiagnoser]
[Config(typeof(RateConfig))]
#pragma warning disable CA1001 // BenchmarkDotNet calls GlobalCleanup, never Dispose
public class AttentionPrefillBenchmarks
#pragma warning restore CA1001
{
    private AttentionLayer? _layer;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(0, 4096)]
    public int Depth { get; set; }

    [GlobalSetup]
    public void Setup() => _layer = new AttentionLayer(Threads, 1, Depth, 512, 1);

    [GlobalCleanup]
    public void Cleanup() => _layer?.Dispose();

    [Benchmark]
    public void Attend512() => _layer!.Attend();

    [Benchmark]
    public void Append512() => _layer!.Append();

    private sealed class RateConfig : ManualConfig
    {
        public RateConfig() => AddColumn(new RateColumn("GFLOP/s", depth => AttentionLayer.Operations(depth, 512) / 1e9, nameof(Attend512), nameof(Depth)));
    }
}

/// <summary>Decoding 30 layers: bound by memory. Compare GB/s with what the command <c>roof</c> measures for reading.</summary>
[MinColumn]
[MemoryDiagnoser]
[Config(typeof(RateConfig))]
#pragma warning disable CA1001 // BenchmarkDotNet calls GlobalCleanup, never Dispose
public class AttentionDecodeBenchmarks
#pragma warning restore CA1001
{
    private const int Layers = 30;
    private AttentionLayer? _layer;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(1, 8)]
    public int Sequences { get; set; }

    /// <summary>How KVs are stored; GB/s counts halves for all, so that formats compare by the KVs that they read.</summary>
    [Params(KvFormat.F16, KvFormat.K8V8, KvFormat.K8V4, KvFormat.K4V4, KvFormat.K4V2)]
    public KvFormat Format { get; set; }

    [GlobalSetup]
    public void Setup() => _layer = new AttentionLayer(Threads, Sequences, 4096 / Sequences, 1, Layers, Format);

    [GlobalCleanup]
    public void Cleanup() => _layer?.Dispose();

    [Benchmark]
    public void Attend() => _layer!.Attend();

    private sealed class RateConfig : ManualConfig
    {
        public RateConfig() => AddColumn(new RateColumn("GB/s", sequences => AttentionLayer.KvBytes(Layers * sequences * ((4096 / sequences) + 1)) / 1e9, nameof(Attend), nameof(Sequences)));
    }
}

/// <summary>Storing 512 KVs of three heads, keys turned by their positions first: what choosing codes costs beside halves, with the turning and fitting of few bits and without.</summary>
[MinColumn]
#pragma warning disable CA1001 // BenchmarkDotNet calls GlobalCleanup, never Dispose
public class AppendBenchmarks
#pragma warning restore CA1001
{
    private AttentionLayer? _layer;

    [Params(KvFormat.F16, KvFormat.K8V8, KvFormat.K8V4, KvFormat.K4V4, KvFormat.K4V2)]
    public KvFormat Format { get; set; }

    [Params(false, true)]
    public bool Rotate { get; set; }

    [GlobalSetup]
    public void Setup() => _layer = new AttentionLayer(1, 1, 0, 512, 1, Format, Rotate);

    [GlobalCleanup]
    public void Cleanup() => _layer?.Dispose();

    [Benchmark]
    public void Append512() => _layer!.Append();
}

/// <summary>Work per second, from the work of a case and its median time.</summary>
internal sealed class RateColumn(string name, Func<int, double> work, string method, string parameter) : IColumn
{
    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => $"{name} at the median time";

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Median;
        if (benchmarkCase.Descriptor.WorkloadMethod.Name != method || nanoseconds is not > 0)
            return "-";
        return (work((int)benchmarkCase.Parameters[parameter]) / (nanoseconds.Value * 1e-9)).ToString("F1");
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);
}
