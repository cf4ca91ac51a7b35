using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models.HuggingFace;
using KvChat.Runtime.Models.Safetensors;
using KvChat.Runtime.Transformer;
using KvChat.TestSupport;

namespace KvChat.Evaluation.Golden;

/// <summary>Folders in the Hugging Face layout that hold their own reference answers (<c>golden.safetensors</c>), on the fp32 path.</summary>
internal static class ArchitectureChecks
{
    /// <summary>How far a logit may be from the reference's.</summary>
    private const float Tolerance = 2e-3f;

    private const string Answers = "golden.safetensors";

    public static void Run(DirectoryInfo golden, int threads, CheckReport report)
    {
        var folder = new DirectoryInfo(Path.Combine(golden.FullName, "architectures"));
        if (!folder.Exists)
        {
            report.Skip("architectures", "no architectures");
            return;
        }

        foreach (DirectoryInfo model in folder.GetDirectories().OrderBy(d => d.Name, StringComparer.Ordinal))
        {
            string check = $"architectures/{model.Name}";
            if (File.Exists(Path.Combine(model.FullName, Answers)))
                report.Guard(check, () => Model(check, model.FullName, threads, report));
            else
                report.Skip(check, $"no {Answers}");
        }
    }

    private static void Model(string check, string folder, int threads, CheckReport report)
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads, Activations = ActivationPrecision.Float32 });
        using SafetensorsWeights weights = SafetensorsWeights.Open(folder);
        (TransformerConfiguration configuration, TensorNames names) = HuggingFaceConfiguration.Read(folder, weights);
        using var model = TransformerModel.Load(configuration, names, weights, backend, pairedRows: false);
        SafetensorsFile answers = SafetensorsFile.Open(Path.Combine(folder, Answers));
        float worst = 0;
        int tops = 0, topsEqual = 0, drawn = 0, drawnEqual = 0;
        for (int n = 0; answers.Contains($"ids.{n}"); n++)
        {
            int[] ids = answers.Ints($"ids.{n}"), top = answers.Ints($"top1.{n}"), greedy = answers.Ints($"greedy.{n}");
            float[][] logits = WholeSequence.Logits(model, ids);
            float[] expected = answers.Floats($"logits.{n}");
            int size = configuration.VocabularySize, first = ids.Length - (expected.Length / size);
            for (int i = 0; i < expected.Length; i++)
                worst = Math.Max(worst, Math.Abs(expected[i] - logits[first + (i / size)][i % size]));
            tops += top.Length;
            topsEqual += Enumerable.Range(0, top.Length).Count(i => IsTop(logits[i], top[i]));
            drawn += greedy.Length;
            drawnEqual += Enumerable.Range(0, greedy.Length).Count(i => IsTop(WholeSequence.Logits(model, [.. ids, .. greedy[..i]])[^1], greedy[i]));
        }

        report.AtMost($"{check} logits", worst, Tolerance, "greatest difference");
        report.Equal($"{check} best tokens", topsEqual, tops, "positions");
        report.Equal($"{check} greedy", drawnEqual, drawn, "tokens");
    }

    /// <summary>The best, or as good as the best within the tolerance of both sides.</summary>
    private static bool IsTop(float[] logits, int token) => logits[token] >= logits.Max() - (2 * Tolerance);
}
