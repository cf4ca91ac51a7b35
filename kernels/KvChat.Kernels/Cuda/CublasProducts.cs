using KvChat.Kernels.Cuda.Driver;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cuda;

/// <summary>Products of many rows with weights of F16 or BF16 by cuBLAS: rows are rounded to the format of the weights before, and what the library does not do follows behind.</summary>
internal sealed class CublasProducts(CudaQueue queue) : IDisposable
{
    // Rows that a launch takes, and bytes of products that are kept at a time.
    internal const int GridLimit = 65535;
    private const int FinishThreads = 128, RoundThreads = 256, RoundSharedBytes = 64, FewestRows = 33;
    private const long MostBytes = 64 << 20;

    private readonly CudaScratch _rounded = new(queue), _products = new(queue);

    /// <summary>Whether the library multiplies these. Few rows are read from memory faster than they are multiplied, by own kernels as well.</summary>
    public bool Takes(WeightFormat format, int columns, int rows) =>
        queue.HasLibrary && rows >= FewestRows && format is WeightFormat.F16 or WeightFormat.BF16 && ProductForms.TakesTensorCores(format, columns);

    /// <summary>Multiplies.</summary>
    /// <param name="part">Weights.</param>
    /// <param name="source">Rows, and the norm before them.</param>
    /// <param name="arguments">All but weights and rows.</param>
    /// <param name="largestRows">Most rows of a launch.</param>
    public void Run(in CudaMatrix.Part part, in CudaProducts.Source source, in ProductArguments arguments, int largestRows)
    {
        int most = (int)Math.Clamp(MostBytes / ((long)part.Rows * sizeof(float)), FewestRows, Math.Min(largestRows, GridLimit));
        for (int first = 0, rows; first < arguments.Rows; first += rows)
        {
            rows = Math.Min(most, arguments.Rows - first);
            nint factors = Round(part.Format, source with { Input = source.Input + (nint)((long)first * arguments.Columns * sizeof(float)) }, rows, arguments.Columns);
            nint products = _products.Ensure((long)rows * part.Rows * sizeof(float));
            queue.Multiply(new LibraryProduct(part.Address, _rounded.Address, products, rows, part.Rows, arguments.Columns, part.Format == WeightFormat.BF16 ? 1 : 0));
            Finish(queue, products, factors, part.Rows, first, rows, arguments);
        }
    }

    /// <summary>What a library leaves to be done: factors, bias, scale, cap, and the way into the output.</summary>
    /// <param name="queue">The device.</param>
    /// <param name="products">Device address of <c>[rows, outputs]</c>.</param>
    /// <param name="factors">Device address of a factor a row, or 0.</param>
    /// <param name="outputs">Columns of the products.</param>
    /// <param name="first">Row of the output that the first one of the products belongs to.</param>
    /// <param name="rows">Rows, as many as a launch takes at most.</param>
    /// <param name="arguments">All about the output.</param>
    public static void Finish(CudaQueue queue, nint products, nint factors, int outputs, int first, int rows, in ProductArguments arguments)
    {
        FinishArguments finish = new()
        {
            Products = products,
            Factors = factors,
            Bias = arguments.Bias,
            Output = arguments.Output + (nint)((long)first * arguments.OutputStride * sizeof(float)),
            Outputs = outputs,
            OutputStride = arguments.OutputStride,
            Adds = arguments.Adds,
            Scale = arguments.Scale,
            Cap = arguments.Cap,
        };
        queue.Launch("kv_finish", new((outputs + FinishThreads - 1) / FinishThreads, rows), FinishThreads, 0, finish);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rounded.Dispose();
        _products.Dispose();
    }

    // Rows, then their factors, which brains do without. Gives the address of the factors.
    private nint Round(WeightFormat format, in CudaProducts.Source source, int rows, int columns)
    {
        long bytes = (long)rows * columns * sizeof(ushort);
        nint output = _rounded.Ensure(bytes + ((long)rows * sizeof(float))), factors = format == WeightFormat.F16 ? (nint)(output + bytes) : 0;
        RoundArguments arguments = new() { Input = source.Input, Weights = source.Norm, Output = output, Factors = factors, Columns = columns, Epsilon = source.Epsilon };
        queue.Launch(format == WeightFormat.F16 ? "kv_round_F16" : "kv_round_BF16", new(rows), RoundThreads, RoundSharedBytes, arguments);
        return factors;
    }
}
