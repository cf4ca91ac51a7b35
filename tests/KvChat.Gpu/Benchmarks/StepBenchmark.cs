using System.Diagnostics;
using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;
using KvChat.TestSupport;

namespace KvChat.Gpu.Benchmarks;

/// <summary>
/// A decode step of the whole model, from tokens to logits on the host, on the host's clock: against its floor, which is reading weights and KVs once at the speed of copying, with graphs and
/// without; and of as many sequences as <see cref="EvictionBenchmark"/> compresses.
/// </summary>
internal sealed class StepBenchmark : IBenchmarkPart
{
    private const int ChunkRows = 512;

    /// <inheritdoc/>
    public string Name => "step";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable table = new($"Decode step of the whole model, {context.Shape.Name}{context.Gpu.Note}", "weights", "sequences", "KVs a head", "graphs", "graph launches", "ms", "floor ms", "% of the floor's speed");
        foreach (WeightFormat format in (WeightFormat[])[WeightFormat.F16, WeightFormat.Q4_K])
        {
            foreach (bool graphs in (bool[])[true, false])
                context.Report.Try($"Decode step, {WeightFormats.Name(format)}, {(graphs ? "with" : "without")} graphs", () => Measure(context, table, format, graphs));
        }

        context.Report.Show(table);
    }

    private static void Measure(BenchmarkContext context, GpuTable table, WeightFormat format, bool graphs)
    {
        BenchmarkScale scale = context.Scale;
        using ShapeModel model = ShapeModel.Create(context.Shape with { Weights = format }, scale.StepContexts.Max() + scale.Steps + 1, context.Open(graphs));
        foreach (int tokens in scale.StepContexts)
            Measure(context, table, model, 1, tokens, format, graphs);

        // What selection and compaction are held against: a step of the sequences that they leave.
        int sequences = scale.EvictionSequences, kept = scale.EvictionTokens / EvictionBenchmark.Ratio;
        if (format != WeightFormat.F16 || !graphs || !BenchmarkContext.Fits(model.Backend, FilledCache.PoolBytesOf(context.Shape, KvFormat.F16, HeadLengths.Uniform(sequences, context.Shape.KvHeads, kept), context.Shape.Layers, scale.Steps + 16)))
            return;
        context.StepMilliseconds = Measure(context, table, model, sequences, kept, format, graphs);
    }

    private static double Measure(BenchmarkContext context, GpuTable table, ShapeModel model, int sequences, int tokens, WeightFormat format, bool graphs)
    {
        ModelShape shape = context.Shape;
        int steps = context.Scale.Steps;
        using StepRunner runner = new(model.Transformer, sequences, tokens + steps + 1, Math.Max(ChunkRows, sequences), sequences, KvFormat.F16);
        Random random = new(29);
        int[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(shape.VocabularySize))];
        for (int s = 0; s < sequences; s++)
        {
            for (int read = 0; read < tokens; read += ChunkRows)
                runner.Read(s, Draw(Math.Min(ChunkRows, tokens - read)));
        }

        long before = model.Backend.Queue.GraphLaunches;
        float[] logits = new float[shape.VocabularySize];
        double[] times = new double[steps];
        for (int i = 0; i < steps; i++)
        {
            int[] next = Draw(sequences);
            model.Backend.Queue.Synchronize();
            long start = Stopwatch.GetTimestamp();
            runner.ReadAll(next, logits: true);
            runner.ReadLogits(0, logits);
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
        Array.Sort(times);
        double milliseconds = times[steps / 2];
        long bytes = WeightsRead(shape, format) + (shape.Layers * FilledCache.BytesOf(shape, KvFormat.F16, HeadLengths.Uniform(sequences, shape.KvHeads, tokens)));
        double floor = bytes / context.CopyBandwidth * 1000;
        table.Add(WeightFormats.Name(format), sequences, tokens, graphs ? "on" : "off", model.Backend.Queue.GraphLaunches - before, milliseconds, floor, floor / milliseconds * 100);
        return milliseconds;
    }

    // All matrices but the embedding, of which a row a token is read.
    private static long WeightsRead(ModelShape shape, WeightFormat format)
    {
        long Bytes(int outputs, int inputs) => outputs * WeightFormats.RowBytes(format, inputs);
        long layer = Bytes(shape.QueryKeyValueWidth, shape.Width) + Bytes(shape.Width, shape.QueryHeads * shape.HeadDim) + Bytes(2 * shape.HiddenWidth, shape.Width) + Bytes(shape.Width, shape.HiddenWidth);
        return (shape.Layers * layer) + Bytes(shape.VocabularySize, shape.Width);
    }
}
