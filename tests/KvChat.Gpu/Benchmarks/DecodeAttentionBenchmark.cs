using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>
/// Attention of one row of each sequence over its KVs, which are read once per group of query heads: time against that of copying as many bytes, and against PyTorch's attention over
/// contiguous keys and values of the same sizes.
/// </summary>
internal sealed class DecodeAttentionBenchmark : IBenchmarkPart
{
    // A graph needs some launches; and no round shall be shorter than what the clock can tell.
    private const int LeastOperations = 8, MostLayers = 32, AimedBatch = 32;
    private const double AimedShare = 0.85;

    /// <inheritdoc/>
    public string Name => "decode attention";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable table = new($"Decode attention, {context.Shape.Name}, one layer{context.Gpu.Note}", "batch", "context", "heads", "format", "MB of KVs", "us", "GB/s", "% of copying", "PyTorch us (F16, contiguous)");
        foreach (int batch in context.Scale.Batches)
        {
            foreach (int tokens in context.Scale.Contexts)
            {
                foreach (KvFormat format in (KvFormat[])[KvFormat.F16, KvFormat.K8V4])
                {
                    foreach (bool ragged in (bool[])[false, true])
                        Cell(context, table, batch, tokens, format, ragged);
                }
            }
        }

        context.Report.Show(table);
    }

    private static void Cell(BenchmarkContext context, GpuTable table, int batch, int tokens, KvFormat format, bool ragged)
    {
        ModelShape shape = context.Shape;
        int[][] lengths = ragged ? HeadLengths.Ragged(batch, shape.KvHeads, tokens) : HeadLengths.Uniform(batch, shape.KvHeads, tokens);
        string name = $"batch {batch}, {tokens} KVs, {format}, {(ragged ? "ragged" : "uniform")}";
        context.Report.Try($"Decode attention, {name}", () =>
        {
            using CudaBackend backend = context.Open();
            long bytes = FilledCache.BytesOf(shape, format, lengths);
            int layers = (int)Math.Clamp(context.Scale.ColdBytes / Math.Max(1, bytes), 1, MostLayers);
            if (!BenchmarkContext.Fits(backend, FilledCache.PoolBytesOf(shape, format, lengths, layers, 1)))
            {
                context.Report.Say($"        {name}: the KVs do not fit into this device.");
                table.Add(batch, tokens, ragged ? "ragged" : "uniform", format.ToString(), bytes / 1e6, double.NaN, double.NaN, double.NaN, double.NaN);
                return;
            }

            double microseconds = Measure(context, backend, lengths, format, layers) * 1000, share = bytes / (microseconds / 1e6) / context.CopyBandwidth;
            double torch = ragged ? double.NaN : context.Settings.PyTorch?.DecodeAttention(batch, tokens) ?? double.NaN;
            table.Add(batch, tokens, ragged ? "ragged" : "uniform", format.ToString(), bytes / 1e6, microseconds, bytes / microseconds / 1e3, share * 100, torch);
            if (batch >= AimedBatch)
                context.Report.Aim($"decode attention, {name}: share of copy bandwidth", share, AimedShare);
            if (!double.IsNaN(torch))
                context.Report.Aim($"decode attention, {name}: PyTorch's time over ours", torch / microseconds, 1);
        });
    }

    // Milliseconds of one operation.
    private static double Measure(BenchmarkContext context, CudaBackend backend, int[][] lengths, KvFormat format, int layers)
    {
        ModelShape shape = context.Shape;
        using FilledCache cache = new(backend, shape, format, lengths, layers, room: 1);
        using DeviceTensor rows = FilledCache.RandomRows(backend, shape, lengths.Length), output = backend.CreateTensor(lengths.Length, shape.QueryHeads * shape.HeadDim);
        AttentionOperation[] operations = [.. Enumerable.Range(0, layers).Select(layer => AttentionOf(shape, cache, layer, rows, output, 1))];
        int rounds = Math.Max(1, LeastOperations / layers);
        double milliseconds = context.Time(backend, () =>
        {
            for (int i = 0; i < rounds; i++)
            {
                foreach (ref readonly AttentionOperation operation in operations.AsSpan())
                    backend.Attend(operation);
            }
        });
        return milliseconds / (rounds * layers);
    }

    /// <summary>Attention of rows that have been appended to a layer.</summary>
    internal static AttentionOperation AttentionOf(ModelShape shape, FilledCache cache, int layer, DeviceTensor rows, DeviceTensor output, int rowsOfSequence) => new()
    {
        QueryKeyValue = rows,
        QueryHeads = shape.QueryHeads,
        KvHeads = shape.KvHeads,
        Arena = cache.Arena,
        Batch = cache.Batch(layer, rowsOfSequence),
        Output = output,
        Scale = 1 / MathF.Sqrt(shape.HeadDim),
    };
}
