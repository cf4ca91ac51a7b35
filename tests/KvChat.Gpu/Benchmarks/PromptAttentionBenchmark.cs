using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>Causal attention of a prompt's rows over its pages, whole and of one chunk behind a long context: against PyTorch's <c>scaled_dot_product_attention</c>.</summary>
internal sealed class PromptAttentionBenchmark : IBenchmarkPart
{
    private const int Operations = 8;
    private const double AimedShare = 0.6;

    /// <inheritdoc/>
    public string Name => "prefill attention";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable table = new($"Prefill attention, {context.Shape.Name}, one layer of one sequence{context.Gpu.Note}", "rows", "KVs before", "format", "scores", "us", "TFLOP/s", "PyTorch us (F16, contiguous)", "% of PyTorch");
        foreach (KvFormat format in (KvFormat[])[KvFormat.F16, KvFormat.K8V4])
        {
            foreach (int rows in context.Scale.PromptRows)
                Cell(context, table, rows, 0, format, observes: false);
            Cell(context, table, context.Scale.ChunkRows, context.Scale.ChunkContext, format, observes: false);
            Cell(context, table, context.Scale.ChunkRows, context.Scale.ChunkContext, format, observes: true);
        }

        context.Report.Show(table);
    }

    private static void Cell(BenchmarkContext context, GpuTable table, int rows, int before, KvFormat format, bool observes)
    {
        ModelShape shape = context.Shape;
        string name = $"{rows} rows behind {before} KVs, {format}{(observes ? ", with scores" : "")}";
        context.Report.Try($"Prefill attention, {name}", () =>
        {
            using CudaBackend backend = context.Open();
            using FilledCache cache = new(backend, shape, format, HeadLengths.Uniform(1, shape.KvHeads, before), 1, room: rows);
            using DeviceTensor input = FilledCache.RandomRows(backend, shape, rows), output = backend.CreateTensor(rows, shape.QueryHeads * shape.HeadDim);
            AttentionOperation attention = DecodeAttentionBenchmark.AttentionOf(shape, cache, 0, input, output, rows);
            if (observes)
                Observe(attention.Batch, rows);
            backend.Append(new AppendOperation { QueryKeyValue = input, QueryHeads = shape.QueryHeads, KvHeads = shape.KvHeads, Arena = cache.Arena, Batch = attention.Batch });
            double microseconds = 1000 * context.Time(backend, () =>
            {
                for (int i = 0; i < Operations; i++)
                    backend.Attend(attention);
            }) / Operations;
            double pairs = ((double)rows * before) + ((double)rows * (rows + 1) / 2), torch = context.Settings.PyTorch?.PrefillAttention(rows, before) ?? double.NaN;
            table.Add(rows, before, format.ToString(), observes ? "window of 32" : "none", microseconds, 4 * pairs * shape.HeadDim * shape.QueryHeads / microseconds / 1e6, torch, torch / microseconds * 100);
            if (!double.IsNaN(torch) && !observes && format == KvFormat.F16)
                context.Report.Aim($"prefill attention, {name}: PyTorch's time over ours", torch / microseconds, AimedShare);
        });
    }

    // As kv-compress observes the end of a prompt.
    private static void Observe(KvBatch batch, int rows)
    {
        SequenceSlice slice = batch.Sequences[0];
        batch.Sequences[0] = new SequenceSlice
        {
            FirstRow = slice.FirstRow, RowCount = slice.RowCount, Format = slice.Format, Observation = ObservationMode.Window, ObservedRows = Math.Min(32, rows), PoolWidth = 15, Squared = true,
        };
    }
}
