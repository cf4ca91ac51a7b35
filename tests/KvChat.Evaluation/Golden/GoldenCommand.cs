using System.CommandLine;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;

namespace KvChat.Evaluation.Golden;

/// <summary>The command <c>golden</c>: every comparison with the answers of other implementations that two folders allow.</summary>
public static class GoldenCommand
{
    public static Command Create()
    {
        var golden = new Option<DirectoryInfo>("--golden") { Required = true, Description = "folder of reference answers" };
        var models = new Option<DirectoryInfo>("--models") { Required = true, Description = "folder of model files; golden/NAME is compared with models/NAME" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 0, Description = "worker threads; 0 for one per processor" };
        golden.AcceptExistingOnly();
        models.AcceptExistingOnly();
        var command = new Command("golden", "Compares tokenisers, templates, weights, logits and compression with reference answers.") { golden, models, threads };
        command.SetAction(parsed => Run(parsed.GetValue(golden)!, parsed.GetValue(models)!, parsed.GetValue(threads)));
        return command;
    }

    /// <returns>0 where every check holds, 1 where one misses or there is none.</returns>
    private static int Run(DirectoryInfo golden, DirectoryInfo models, int threads)
    {
        var report = new CheckReport(Console.Out);
        report.Guard("dequant", () => DequantizationChecks.Run(golden, report));
        report.Guard("pretokenise", () => TextChecks.PreTokenisers(golden, report));
        report.Guard("vocab", () => TextChecks.Vocabularies(golden, report));
        report.Guard("templates", () => TemplateChecks.Run(golden, report));
        report.Guard("architectures", () => ArchitectureChecks.Run(golden, threads, report));
        foreach (DirectoryInfo folder in golden.GetDirectories().Where(IsModel).OrderBy(d => d.Name, StringComparer.Ordinal))
            report.Guard(folder.Name, () => Model(folder, models, threads, report));
        foreach (DirectoryInfo folder in models.GetDirectories().Where(m => !Directory.Exists(Path.Combine(golden.FullName, m.Name))).OrderBy(d => d.Name, StringComparer.Ordinal))
            report.Skip($"{folder.Name}", "no reference answers of that name");
        NotCovered(golden, report);
        Console.WriteLine($"{report.Passed} hold, {report.Missed} missed, {report.Skipped} skipped");
        return report.Missed == 0 && report.Passed > 0 ? 0 : 1;
    }

    /// <summary>A folder of answers for one model.</summary>
    private static bool IsModel(DirectoryInfo folder) =>
        new[] { "tokenizer.jsonl", "chat.jsonl", "logits.json", "running_text.safetensors", "compression.safetensors" }.Any(f => File.Exists(Path.Combine(folder.FullName, f)));

    private static void Model(DirectoryInfo golden, DirectoryInfo models, int threads, CheckReport report)
    {
        if (ModelFile(Path.Combine(models.FullName, golden.Name)) is not { } file)
        {
            report.Skip(golden.Name, $"no GGUF file in {golden.Name} of the models' folder");
            return;
        }

        ChatChecks.Run(golden, file, report);
        foreach ((ActivationPrecision precision, KvFormat format) in new[] { (ActivationPrecision.Float32, KvFormat.F32), (ActivationPrecision.Int8, KvFormat.F16) })
        {
            using var checks = new ModelChecks(golden, file, new CpuBackendOptions { Threads = threads, Activations = precision }, format, report);
            checks.Run();
        }
    }

    /// <summary>The model file of a folder; of several the one in Q8_0.</summary>
    private static string? ModelFile(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        string[] files = [.. Directory.GetFiles(folder, "*.gguf").Order(StringComparer.Ordinal)];
        return files.FirstOrDefault(f => Path.GetFileNameWithoutExtension(f).EndsWith("q8_0", StringComparison.OrdinalIgnoreCase)) ?? files.FirstOrDefault();
    }

    private static void NotCovered(DirectoryInfo golden, CheckReport report)
    {
        foreach (DirectoryInfo folder in golden.GetDirectories().Where(d => !IsModel(d)).OrderBy(d => d.Name, StringComparer.Ordinal))
        {
            if (folder.Name is not ("dequant" or "vocab" or "templates" or "architectures"))
                report.Skip(folder.Name, "not covered here");
        }
    }
}
