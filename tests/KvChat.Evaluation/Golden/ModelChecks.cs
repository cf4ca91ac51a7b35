using System.Text.Json;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models;
using KvChat.TestSupport;

namespace KvChat.Evaluation.Golden;

/// <summary>A model's numbers on one arithmetic path.</summary>
internal sealed class ModelChecks(DirectoryInfo golden, string modelFile, CpuBackendOptions cpu, KvFormat format, CheckReport report) : IDisposable
{
    private const int Piece = 512;
    private readonly LoadedModel _model = LoadedModel.Load(modelFile, cpu);

    /// <summary>Whether activations stay in fp32, the path that is held to the narrow bounds.</summary>
    private bool IsExact => cpu.Activations == ActivationPrecision.Float32;

    private string PathName => IsExact ? "fp32" : "int8";

    /// <summary>Runs all checks for which there are answers.</summary>
    public void Run()
    {
        Where("logits.json", Logits);
        Where("running_text.safetensors", RunningText);
        if (IsExact)
            Where("compression.safetensors", path => new CompressionChecks(golden.Name, _model, SafetensorsFile.Open(path), format, report).Run());
    }

    public void Dispose() => _model.Dispose();

    private void Where(string file, Action<string> check)
    {
        string path = Path.Combine(golden.FullName, file), name = $"{golden.Name}/{Path.GetFileNameWithoutExtension(file)} {PathName}";
        if (!File.Exists(path))
        {
            report.Skip(name, $"no {file}");
            return;
        }

        report.Guard(name, () => check(path));
    }

    /// <summary>
    /// The best 20 logits after every prompt, and the greedy tokens that follow. The reference's tokens are fed in, so that each step is compared by itself; where
    /// all are equal that is the same as decoding freely. On the quantised path a token counts where the reference's choice was clear: where it
    /// differs, the fp32 path's gap between its best two is looked up.
    /// </summary>
    private void Logits(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        float[] logits = new float[_model.Configuration.VocabularySize];
        double worst = 0;
        int equal = 0, steps = 0;
        var differing = new List<int[]>();
        foreach (JsonElement row in document.RootElement.EnumerateArray())
        {
            int[] ids = row.Ints("ids"), greedy = row.Ints("greedy");
            using var runner = new StepRunner(_model.Transformer, 1, ids.Length + greedy.Length, Math.Max(Piece, ids.Length), 1, format);
            runner.Read(0, ids, logits: 1);
            runner.ReadLogits(0, logits);
            foreach (JsonElement pair in row.GetProperty("top").EnumerateArray())
                worst = Worse(worst, Math.Abs(pair[1].GetDouble() - logits[pair[0].GetInt32()]));
            for (int i = 0; i < greedy.Length; i++)
            {
                steps++;
                if (ArgMax(logits) == greedy[i])
                    equal++;
                else
                    differing.Add([.. ids, .. greedy[..i]]);
                runner.Read(0, greedy.AsSpan(i, 1), logits: 1);
                runner.ReadLogits(0, logits);
            }
        }

        report.AtMost($"{golden.Name}/logits {PathName}: best 20", worst, IsExact ? 2e-2 : 0.5, "largest difference");
        if (IsExact)
            report.Equal($"{golden.Name}/logits {PathName}: greedy", equal, steps, "tokens");
        else
            report.AtMost($"{golden.Name}/logits {PathName}: greedy, {steps - equal} of {steps} differ", differing.Count == 0 ? 0 : LargestGap(differing), 1, "largest fp32 gap where they do");
    }

    /// <summary>The widest gap between the best two logits of the fp32 path behind these tokens.</summary>
    private double LargestGap(List<int[]> contexts)
    {
        using LoadedModel exact = LoadedModel.Load(modelFile, cpu with { Activations = ActivationPrecision.Float32 });
        float[] logits = new float[exact.Configuration.VocabularySize];
        double largest = 0;
        foreach (int[] ids in contexts)
        {
            using var runner = new StepRunner(exact.Transformer, 1, ids.Length, ids.Length, 1, KvFormat.F32);
            runner.Read(0, ids, logits: 1);
            runner.ReadLogits(0, logits);
            Array.Sort(logits);
            largest = Worse(largest, logits[^1] - logits[^2]);
        }

        return largest;
    }

    private void RunningText(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        int[] ids = file.Ints("ids");
        float[] nll = file.Floats("nll"), logits = new float[_model.Configuration.VocabularySize];
        using var runner = new StepRunner(_model.Transformer, 1, ids.Length, Piece, Piece, format);
        double sum = 0;
        for (int at = 0; at < ids.Length; at += Piece)
        {
            int rows = Math.Min(Piece, ids.Length - at);
            runner.Read(0, ids.AsSpan(at, rows), logits: rows);
            for (int i = 0; i < rows && at + i + 1 < ids.Length; i++)
            {
                runner.ReadLogits(i, logits);
                sum += NegativeLogLikelihood(logits, ids[at + i + 1]);
            }
        }

        double expected = nll.Average(static n => (double)n), actual = sum / nll.Length;
        report.AtMost($"{golden.Name}/running text {PathName}: mean NLL {actual:0.0000}, reference {expected:0.0000}", Math.Abs(actual - expected) / expected * 100, 0.5, "percent apart:");
    }

    internal static double NegativeLogLikelihood(ReadOnlySpan<float> logits, int token)
    {
        double highest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits)
            highest = Math.Max(highest, logit);
        foreach (float logit in logits)
            sum += Math.Exp(logit - highest);
        return Math.Log(sum) + highest - logits[token];
    }

    internal static int ArgMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best])
                best = i;
        }

        return best;
    }

    /// <summary>The larger of two, or not a number where one is none: a maximum that hides nothing.</summary>
    internal static double Worse(double a, double b) => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Max(a, b);
}
