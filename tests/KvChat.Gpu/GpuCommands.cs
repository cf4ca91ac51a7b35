using System.CommandLine;
using KvChat.Gpu.Benchmarks;
using KvChat.Gpu.Conformance;
using KvChat.Gpu.Engine;
using KvChat.Gpu.Shapes;
using KvChat.Kernels.Cuda;
using KvChat.TestSupport;
using Command = System.CommandLine.Command;

namespace KvChat.Gpu;

/// <summary>The command line: its parts, each on the driver of the machine or on the fake one.</summary>
internal static class GpuCommands
{
    private static readonly Option<string> Driver = new("--driver") { DefaultValueFactory = _ => "real", Description = "real: the machine's own; fake: the emulator, built by g++ from the repository" };
    private static readonly Option<int> Device = new("--device") { DefaultValueFactory = _ => 0, Description = "number of the device" };
    private static readonly Option<FileInfo> Json = new("--json") { Description = "file for the results" };
    private static readonly Option<string> Only = new("--only") { DefaultValueFactory = _ => "", Description = "runs only what has this in its name" };
    private static readonly Option<double> Minutes = new("--minutes") { DefaultValueFactory = _ => 9, Description = "nothing new is begun after so long; what was not run counts as failed" };

    private static readonly Option<string?> Shape = new("--shape") { Description = $"sizes of the model: {ModelShape.Names}; left out, llama-3-8b, and tiny on the fake driver" };
    private static readonly Option<FileInfo> PyTorch = new("--pytorch") { Description = "what pytorch_reference.py wrote on the same device" };

    public static RootCommand Root()
    {
        Driver.AcceptOnlyFromAmong("real", "fake");
        Minutes.Validators.Add(r =>
        {
            if (!(r.GetValueOrDefault<double>() > 0))
                r.AddError($"{Minutes.Name} is {r.GetValueOrDefault<double>()}; it must be above 0.");
        });
        Shape.Validators.Add(r =>
        {
            if (r.GetValueOrDefault<string?>() is { } name && ModelShape.Find(name) is null)
                r.AddError($"{Shape.Name} is '{name}'; there are: {ModelShape.Names}.");
        });
        PyTorch.AcceptExistingOnly();
        RootCommand root = new("Tries and measures the CUDA back end; needs nothing but the driver.");
        root.Subcommands.Add(Part("conformance", "Loads every kernel, says what each needs of the device, and holds all of them to their formulas.", ConformancePart.Run));
        root.Subcommands.Add(Part("engine", "The whole engine with the embedded model: the same greedy tokens as on the processor.", EnginePart.Run));
        root.Subcommands.Add(Benchmark());
        return root;
    }

    private static Command Part(string name, string description, Action<GpuSettings, GpuReport> run)
    {
        Command command = new(name, description) { Driver, Device, Json, Only, Minutes };
        command.SetAction(parsed => Run(name, Settings(parsed), run));
        return command;
    }

    private static Command Benchmark()
    {
        Command command = new("benchmark", $"Times the device. Parts, for {Only.Name} (with commas between): {BenchmarkCommand.Names}.") { Driver, Device, Json, Only, Minutes, Shape, PyTorch };
        foreach (Option option in EngineBenchmarkOptions.All)
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            GpuSettings gpu = Settings(parsed);
            return Run("benchmark", gpu, (_, report) => BenchmarkCommand.Run(gpu, BenchmarkOf(parsed, gpu), report));
        });
        return command;
    }

    private static BenchmarkSettings BenchmarkOf(ParseResult parsed, GpuSettings gpu)
    {
        ModelShape shape = ModelShape.Parse(parsed.GetValue(Shape) ?? (gpu.IsFake ? "tiny" : "llama-3-8b"));
        return new BenchmarkSettings
        {
            Shape = shape,
            Engine = EngineBenchmarkOptions.Read(parsed, shape),
            PyTorch = parsed.GetValue(PyTorch) is { } file ? PyTorchTimes.Read(file.FullName) : null,
        };
    }

    private static GpuSettings Settings(ParseResult parsed) => new()
    {
        IsFake = parsed.GetValue(Driver) == "fake",
        Device = parsed.GetValue(Device),
        Json = parsed.GetValue(Json)?.FullName,
        Only = parsed.GetValue(Only)!,
        MostTime = TimeSpan.FromMinutes(parsed.GetValue(Minutes)),
    };

    /// <summary>Runs a part; the exit code says whether all of it passed.</summary>
    internal static int Run(string name, GpuSettings settings, Action<GpuSettings, GpuReport> run)
    {
        GpuReport report = new(name, settings, Console.Out);
        try
        {
            run(settings, report);
        }
        catch (Exception error)
        {
            // Whatever it was, the counts are the last line and say that something failed.
            report.Failed(name, error);
        }

        return report.Finish();
    }
}

/// <summary>What was asked for.</summary>
internal sealed record GpuSettings
{
    /// <summary>Whether the fake driver stands in for the machine's.</summary>
    public required bool IsFake { get; init; }

    /// <summary>Number of the device.</summary>
    public int Device { get; init; }

    /// <summary>File for the results, or null.</summary>
    public string? Json { get; init; }

    /// <summary>Part of the names of what is run.</summary>
    public string Only { get; init; } = "";

    /// <summary>Nothing new is begun after so long.</summary>
    public TimeSpan MostTime { get; init; } = TimeSpan.FromMinutes(9);

    /// <summary>What stands behind names of tables.</summary>
    public string Note => IsFake ? " (fake driver: registers and times mean nothing)" : "";

    /// <summary>Opens the device.</summary>
    /// <exception cref="CudaUnavailableException">There is none.</exception>
    /// <param name="usesGraphs">Whether repeated work is launched as graphs.</param>
    /// <param name="multiprocessors">How many products are cut for; null for as many as the device has.</param>
    /// <param name="products">Whose products of many rows are taken.</param>
    public CudaBackend Open(bool usesGraphs = true, int? multiprocessors = null, CudaProductSource products = CudaProductSource.Own)
    {
        CudaBackendOptions options = IsFake ? FakeDriver.Options with { CublasPath = FakeDriver.CublasPath } : new CudaBackendOptions();
        return new CudaBackend(options with { Device = Device, UsesGraphs = usesGraphs, Multiprocessors = multiprocessors, Products = products });
    }
}
