using KvChat.Kernels.Quantization;
using KvChat.TestSupport;

namespace KvChat.Evaluation.Golden;

/// <summary>Weight formats: what their bytes decode to, bit for bit.</summary>
internal static class DequantizationChecks
{
    public static void Run(DirectoryInfo golden, CheckReport report)
    {
        string path = Path.Combine(golden.FullName, "dequant", "dequant.safetensors");
        if (!File.Exists(path))
        {
            report.Skip("dequant", "no dequant/dequant.safetensors");
            return;
        }

        SafetensorsFile file = SafetensorsFile.Open(path);
        foreach (string type in file.Arrays.Keys.Where(n => n.EndsWith(".values", StringComparison.Ordinal)).Select(n => n[..^7]).Order(StringComparer.Ordinal))
        {
            if (!Enum.TryParse(type, ignoreCase: true, out WeightFormat format))
            {
                report.Skip($"dequant/{type}", "not yet covered");
                continue;
            }

            float[] expected = file.Floats($"{type}.values"), actual = new float[expected.Length];
            Dequantizer.Dequantize(format, file.Bytes($"{type}.raw"), actual);
            report.Equal($"dequant/{type}", expected.Zip(actual, static (e, a) => e.Equals(a)).Count(static same => same), expected.Length, "values");
        }
    }
}
