using KvChat.Gpu.Shapes;
using KvChat.Kernels.Quantization;

namespace KvChat.Gpu.Benchmarks;

/// <summary>
/// The whole engine on a model of the chosen shape: many long prompts at once with little KV memory, uncompressed and compressed. Times are the engine's own, on the host's clock: they hold
/// all that a user waits for.
/// </summary>
internal sealed class EngineBenchmark : IBenchmarkPart
{
    // 1x may take 3 % more than no compression; the paper (arXiv 2410.00161) has 5.18 times the throughput at 64x.
    private const double Aimed1x = 0.97, Aimed64x = 5.2, AimedShare = 0.9;
    private const int PaperMemory = 3;

    /// <inheritdoc/>
    public string Name => "engine";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        EngineBenchmarkSettings settings = context.Settings.Engine;
        GpuTable table = new(
            $"Engine, {context.Shape.Name}, {settings.Requests} requests of {settings.Prompt} + {settings.Answer} tokens{context.Gpu.Note}", "weights", "KV memory (requests)", "cell", "seconds", "s a prompt",
            "answer tokens per s of decoding", "largest batch", "tokens/s in all", "ceiling tokens/s", "% of the ceiling", "% of KVs at the end", "preemptions");
        foreach (WeightFormat weights in settings.Weights)
        {
            using ModelHolder model = new(context, weights);
            foreach (int memory in settings.Memories)
                Measure(context, table, model, weights, memory);
        }

        context.Report.Show(table);
    }

    private static void Measure(BenchmarkContext context, GpuTable table, ModelHolder model, WeightFormat weights, int memory)
    {
        Dictionary<string, EngineTimes> times = [];
        foreach (EngineCell cell in context.Settings.Engine.Cells.Where(cell => cell.Takes(weights)))
        {
            string name = $"{WeightFormats.Name(weights)}, memory for {memory}, {cell.Name}";
            bool passed = context.Report.Try($"Engine, {name}", () => times.Add(cell.Name, Measure(context, table, model, weights, memory, cell, name)));
            if (!passed)
                model.Drop();
        }

        Compare(context.Report, times, $"{WeightFormats.Name(weights)}, memory for {memory}", memory);
    }

    private static EngineTimes Measure(BenchmarkContext context, GpuTable table, ModelHolder model, WeightFormat weights, int memory, EngineCell cell, string name)
    {
        using CancellationTokenSource late = new(context.Report.Remaining);
        using EngineRun run = new(model.Get(), context.Settings.Engine, cell, memory);
        EngineTimes times;
        try
        {
            times = run.Run(line => context.Report.Say($"        {name}: {line}"), late.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested)
        {
            throw new TimeoutException($"not done within {context.Gpu.MostTime.TotalMinutes:0.##} minutes; --cells, --memory and --weights choose fewer, --requests asks for less");
        }

        table.Add(WeightFormats.Name(weights), memory, cell.Name, times.Seconds, times.PromptSeconds, times.DecodeRate, times.LargestBatch, times.TotalRate, times.CeilingRate,
            100 * times.TotalRate / times.CeilingRate, 100 * run.KeptShare, run.Statistics.Preemptions);
        context.Report.Say($"        {name}: {times.Seconds:0.#} s, {times.DecodeRate:0.#} answer tokens per second of decoding in batches of up to {times.LargestBatch}, {times.TotalRate:0} of at most {times.CeilingRate:0} tokens per second in all");
        return times;
    }

    private static void Compare(GpuReport report, Dictionary<string, EngineTimes> times, string name, int memory)
    {
        foreach ((string cell, EngineTimes own) in times)
            report.Aim($"engine, {name}, {cell}: tokens in all over their ceiling", own.TotalRate / own.CeilingRate, AimedShare);
        if (!times.TryGetValue("off", out EngineTimes? off))
            return;
        if (times.TryGetValue("1x", out EngineTimes? next))
            report.Aim($"engine, {name}: tokens in all, 1x over off", next.TotalRate / off.TotalRate, Aimed1x);
        if (memory == PaperMemory && times.TryGetValue("64x", out EngineTimes? most))
            report.Aim($"engine, {name}: answer tokens per second of decoding, 64x over off", most.DecodeRate / off.DecodeRate, Aimed64x);
    }

    /// <summary>The model of a form of weights, made when it is first needed, and anew after a failure, which may have spoilt the device's context.</summary>
    private sealed class ModelHolder(BenchmarkContext context, WeightFormat weights) : IDisposable
    {
        private ShapeModel? _model;

        public ShapeModel Get()
        {
            if (_model is not null)
                return _model;
            EngineBenchmarkSettings settings = context.Settings.Engine;
            context.Report.Say($"        making the weights of {context.Shape.Name} in {WeightFormats.Name(weights)}");
            _model = ShapeModel.Create(context.Shape with { Weights = weights }, settings.Prompt + settings.Answer, context.Open());
            _model.Backend.Queue.Synchronize();
            context.Report.Say($"        {_model.Transformer.WeightBytes / 1e6:0} MB are there, {_model.Backend.FreeMemoryBytes / 1e6:0} MB are free on {_model.Backend.Name}");
            return _model;
        }

        public void Drop()
        {
            try
            {
                _model?.Dispose();
            }
            catch (Kernels.Cuda.CudaException)
            {
                // The context is spoilt: what it held went with it.
            }

            _model = null;
        }

        public void Dispose() => Drop();
    }
}
