using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Quantization;

namespace KvChat.Gpu.Benchmarks;

/// <summary>
/// The products of a layer: of the few rows of decode steps, against the time of copying as many bytes as the weights have, and of a prompt's many rows, against PyTorch's products in fp16 of
/// the same sizes.
/// </summary>
internal sealed class DenseBenchmark : IBenchmarkPart
{
    private const int LeastOperations = 8, MostCopies = 64;
    private const double AimedBandwidth = 0.75, AimedShare = 0.6;

    /// <inheritdoc/>
    public string Name => "dense";

    /// <inheritdoc/>
    public void Run(BenchmarkContext context)
    {
        GpuTable decode = new($"Products of decode steps, {context.Shape.Name}{context.Gpu.Note}", "weights", "product", "rows", "MB of weights", "us", "GB/s", "% of copying");
        foreach (WeightFormat format in (WeightFormat[])[WeightFormat.Q4_K, WeightFormat.F16])
        {
            foreach (int rows in context.Scale.DecodeRows)
                context.Report.Try($"Products of decode steps, {WeightFormats.Name(format)}, {rows} rows", () => Decode(context, decode, format, rows));
        }

        context.Report.Show(decode);
        GpuTable prefill = new($"Products of prompts, {context.Shape.Name}{context.Gpu.Note}", "weights", "made by", "product", "rows", "us", "TFLOP/s", "PyTorch us (fp16)", "% of PyTorch");
        foreach ((WeightFormat format, CudaProductSource source) in ((WeightFormat, CudaProductSource)[])[(WeightFormat.F16, CudaProductSource.Own), (WeightFormat.F16, CudaProductSource.Auto), (WeightFormat.Q4_K, CudaProductSource.Own)])
            context.Report.Try($"Products of prompts, {WeightFormats.Name(format)}, {source}", () => Prefill(context, prefill, format, source));
        context.Report.Show(prefill);
    }

    private static void Decode(BenchmarkContext context, GpuTable table, WeightFormat format, int rows)
    {
        using CudaBackend backend = context.Open();
        double bytes = 0, microseconds = 0;
        foreach (Product product in Product.Of(context.Shape))
        {
            long size = (long)product.Outputs * WeightFormats.RowBytes(format, product.Inputs);
            double time = Measure(context, backend, format, product, rows);
            bytes += size;
            microseconds += time;
            table.Add(WeightFormats.Name(format), product.Name, rows, size / 1e6, time, size / time / 1e3, size / (time / 1e6) / context.CopyBandwidth * 100);
        }

        double share = bytes / (microseconds / 1e6) / context.CopyBandwidth;
        table.Add(WeightFormats.Name(format), "all of a layer", rows, bytes / 1e6, microseconds, bytes / microseconds / 1e3, share * 100);
        if (rows == 1 && format == WeightFormat.Q4_K)
            context.Report.Aim("dense, Q4_K, one row: share of copy bandwidth", share, AimedBandwidth);
    }

    private static void Prefill(BenchmarkContext context, GpuTable table, WeightFormat format, CudaProductSource source)
    {
        using CudaBackend backend = context.Open(products: source);
        if (source != CudaProductSource.Own && backend.Queue.LibraryName is null)
        {
            context.Report.Say("        cuBLAS is not here: its products are left out.");
            return;
        }

        int rows = context.Scale.PrefillRows;
        double all = 0, torchAll = 0, work = 0;
        foreach (Product product in Product.Of(context.Shape))
        {
            double time = Measure(context, backend, format, product, rows), torch = context.Settings.PyTorch?.Product(rows, product.Outputs, product.Inputs) ?? double.NaN;
            double operations = 2.0 * rows * product.Outputs * product.Inputs;
            all += time;
            torchAll += torch;
            work += operations;
            table.Add(WeightFormats.Name(format), Maker(source), product.Name, rows, time, operations / time / 1e6, torch, torch / time * 100);
        }

        table.Add(WeightFormats.Name(format), Maker(source), "all of a layer", rows, all, work / all / 1e6, torchAll, torchAll / all * 100);
        if (format == WeightFormat.F16 && !double.IsNaN(torchAll))
            context.Report.Aim($"dense, F16, {rows} rows by {Maker(source)}: PyTorch's time over ours", torchAll / all, AimedShare);
    }

    private static string Maker(CudaProductSource source) => source == CudaProductSource.Own ? "own kernels" : "cuBLAS";

    // Microseconds of one product, with copies of the weights in turns so that caches do not hold them.
    private static double Measure(BenchmarkContext context, CudaBackend backend, WeightFormat format, Product product, int rows)
    {
        long size = (long)product.Outputs * WeightFormats.RowBytes(format, product.Inputs);
        int copies = (int)Math.Clamp(context.Scale.ColdBytes / size, 1, MostCopies);
        List<DeviceMatrix> weights = [];
        try
        {
            for (int i = 0; i < copies; i++)
                weights.Add(backend.LoadMatrix([.. product.Parts.Select((outputs, part) => new MatrixData(format, outputs, product.Inputs, new GeneratedWeights((ulong)((i * product.Parts.Length) + part), 1 / MathF.Sqrt(product.Inputs))))]));
            using DeviceTensor input = RandomRows(backend, rows, product.Inputs);
            bool gated = product.Epilogue is LinearEpilogue.GatedSilu;
            using DeviceTensor output = backend.CreateTensor(rows, gated ? product.Outputs / 2 : product.Outputs);
            int rounds = Math.Max(1, (LeastOperations + copies - 1) / copies);
            double milliseconds = context.Time(backend, () =>
            {
                for (int i = 0; i < rounds; i++)
                {
                    foreach (DeviceMatrix matrix in weights)
                        backend.Linear(new LinearOperation { Input = input, Rows = rows, Weight = matrix, Output = output, Epilogue = product.Epilogue });
                }
            });
            return milliseconds * 1000 / (rounds * copies);
        }
        finally
        {
            foreach (DeviceMatrix matrix in weights)
                matrix.Dispose();
        }
    }

    private static DeviceTensor RandomRows(CudaBackend backend, int rows, int columns)
    {
        DeviceTensor tensor = backend.CreateTensor(rows, columns);
        Random random = new(23);
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++)
        {
            foreach (ref float number in row.AsSpan())
                number = (random.NextSingle() * 2) - 1;
            backend.Write(tensor, i, row);
        }

        return tensor;
    }

    /// <summary>A linear layer of a transformer layer.</summary>
    private sealed record Product(string Name, int[] Parts, int Inputs, LinearEpilogue Epilogue)
    {
        public int Outputs => Parts.Sum();

        public static Product[] Of(ModelShape shape) =>
        [
            new("queries, keys, values", [shape.QueryHeads * shape.HeadDim, shape.KvHeads * shape.HeadDim, shape.KvHeads * shape.HeadDim], shape.Width, LinearEpilogue.Store),
            new("attention output", [shape.Width], shape.QueryHeads * shape.HeadDim, LinearEpilogue.Add),
            new("gate and up", [shape.HiddenWidth, shape.HiddenWidth], shape.Width, LinearEpilogue.GatedSilu),
            new("down", [shape.Width], shape.HiddenWidth, LinearEpilogue.Add),
        ];
    }
}
