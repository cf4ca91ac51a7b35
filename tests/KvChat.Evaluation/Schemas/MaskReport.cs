using System.Text.Json;
using System.Text.Json.Serialization;

namespace KvChat.Evaluation.Schemas;

/// <summary>Mean and percentiles of times in microseconds.</summary>
internal sealed record TimeSpread(double Mean, double P50, double P90, double P99, double P999, double Worst)
{
    public static TimeSpread Of(IEnumerable<double> times)
    {
        double[] sorted = [.. times.Order()];
        double At(double share) => sorted.Length == 0 ? 0 : Math.Round(sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * share))], 2);
        return new TimeSpread(sorted.Length == 0 ? 0 : Math.Round(sorted.Average(), 2), At(0.5), At(0.9), At(0.99), At(0.999), At(1));
    }

    public override string ToString() => $"mean {Mean:0.0}, p50 {P50:0.0}, p90 {P90:0.0}, p99 {P99:0.0}, p99.9 {P999:0.0}, worst {Worst:0.0}";
}

/// <summary>All schemas together, counted as MaskBench does.</summary>
internal sealed record MaskReport(
    int Schemas, int Passing, int CompileErrors, int ValidationErrors, int InvalidationErrors, int Crashes, int Timeouts, TimeSpread MaskMicroseconds, TimeSpread FirstMaskMicroseconds)
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static MaskReport Of(IReadOnlyCollection<SchemaOutcome> outcomes)
    {
        int Count(SchemaVerdict verdict) => outcomes.Count(o => o.Verdict == verdict);
        return new MaskReport(
            outcomes.Count,
            Count(SchemaVerdict.Passing),
            Count(SchemaVerdict.CompileError),
            Count(SchemaVerdict.ValidationError),
            Count(SchemaVerdict.InvalidationError),
            Count(SchemaVerdict.Crash),
            Count(SchemaVerdict.Timeout),
            TimeSpread.Of(outcomes.SelectMany(o => o.Masks)),
            TimeSpread.Of(outcomes.Select(o => o.FirstMask).OfType<double>()));
    }

    public string ToJson() => JsonSerializer.Serialize(this, s_json);
}
