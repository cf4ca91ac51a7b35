using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Scheduling;

namespace KvChat.Gpu.Engine;

/// <summary>The whole engine with the embedded model on the device: it answers as it does on the processor.</summary>
internal static class EnginePart
{
    private static readonly EngineCase[] Cases =
    [
        new("full cache", KvCompression.Off),
        new("8x", Compressed(0.125)),
        new("8x in codes", Compressed(0.125) with { Format = KvFormat.K8V4 }),
        new("half of it in two formats", Compressed(0.5) with { Format = KvFormat.K8V8, LowFormat = KvFormat.K4V4, HighShare = 0.5 }),
        new("full cache, sessions", KvCompression.Off) { Sessions = 3 },
        new("8x, sessions", Compressed(0.125)) { Sessions = 3 },
    ];

    /// <summary>Compares greedy tokens case by case, with graphs and without.</summary>
    public static void Run(GpuSettings settings, GpuReport report)
    {
        int[][] prompts = Prompts();
        GpuTable table = new($"Engine{settings.Note}", "case", "graphs", "sessions", "answer tokens", "steps", "graph launches", "seconds");
        foreach (EngineCase run in Cases.Where(c => c.Name.Contains(settings.Only, StringComparison.OrdinalIgnoreCase)))
        {
            EngineAnswers? expected = null;
            foreach (bool graphs in (bool[])[true, false])
            {
                report.Try($"The embedded model answers as on the processor: {run.Name}, {(graphs ? "with" : "without")} graphs", () =>
                {
                    expected ??= run.Answer(Load(new CpuBackend(new CpuBackendOptions { Activations = ActivationPrecision.Float32 })), prompts);
                    CudaBackend backend = settings.Open(graphs);
                    report.Device = backend.Name;
                    EngineAnswers actual = run.Answer(Load(backend), prompts, () => backend.Queue.GraphLaunches);
                    table.Add(run.Name, graphs ? "on" : "off", run.Sessions, actual.Tokens.Sum(t => t.Length), actual.Steps, actual.GraphLaunches, actual.Seconds);
                    for (int i = 0; i < expected.Tokens.Length; i++)
                        Assert.Equal(expected.Tokens[i], actual.Tokens[i]);
                    Assert.All(expected.Tokens, tokens => Assert.NotEmpty(tokens));
                    Assert.Equal(graphs, actual.GraphLaunches > 0);
                });
            }
        }

        report.Show(table);
    }

    /// <summary>The embedded model, which travels within this program.</summary>
    internal static LoadedModel Load(IComputeBackend backend)
    {
        using Stream stream = typeof(EnginePart).Assembly.GetManifestResourceStream("kvchat-tiny.gguf")!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        using GgufFile file = GgufFile.Open(bytes, "kvchat-tiny.gguf");
        return LoadedModel.Load(file, "kvchat-tiny", backend);
    }

    private static KvCompression Compressed(double ratio) => new() { RetainedRatio = ratio, ProtectedTokens = 16, ObservationWindow = 8 };

    // Short documents: on the emulator a step takes seconds.
    private static int[][] Prompts()
    {
        using LoadedModel model = Load(new CpuBackend(new CpuBackendOptions { Threads = 1 }));
        string filler = string.Concat(Enumerable.Range(0, 4).Select(i => $" Room {i + 1} of the archive has {(i * 7 % 30) + 2} shelves, and its window looks over the quarry."));
        string[] questions = ["What is the key of the archive?", "What colour is the lamp?", "How slow is the clock?", "How many shelves has room 3?"];
        return [.. questions.Select((question, i) => model.Tokenizer.Encode(
            $"The key of the archive is {4711 + i}. The lamp on the desk is green, and the clock behind it is slow by five minutes.{filler} Question: {question} Answer:", allowSpecial: false).Ids)];
    }
}
