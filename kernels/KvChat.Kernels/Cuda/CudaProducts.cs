using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cuda;

/// <summary>Rows times weights, part by part: on tensor cores, or in singles where the matrix asks for it. Which of the own forms runs never shows in a row's bits.</summary>
internal sealed class CudaProducts(CudaQueue queue) : IDisposable
{
    // A warp has one output; blocks in y have 8 rows each (linear.cu).
    private const int PlainThreads = 128, PlainOutputs = PlainThreads / 32, PlainRows = 8, TileRows = 64, GridLimit = 65535;

    private readonly CudaScratch _normed = new(queue), _prepared = new(queue);
    private readonly CublasProducts _library = new(queue);

    /// <summary>Most multiplications of a launch: a display's watchdog ends what runs for seconds. More rows come in several launches.</summary>
    public long LargestLaunch { get; set; } = 1L << 38;

    /// <summary>Multiplies.</summary>
    /// <param name="weight">Weights.</param>
    /// <param name="source">Rows, and the norm before them.</param>
    /// <param name="arguments">All but what is filled in here: weights, rows, their sums and factors.</param>
    public void Run(CudaMatrix weight, in Source source, ProductArguments arguments)
    {
        if (weight.TryMultiply(source, arguments))
            return;
        nint normed = 0;
        bool isPrepared = false;
        foreach (CudaMatrix.Part part in weight.Parts)
        {
            arguments.Weights = part.Address;
            arguments.RowBytes = part.RowBytes;
            arguments.Outputs = part.Rows;
            if (_library.Takes(part.Format, weight.Columns, arguments.Rows))
            {
                _library.Run(part, source, arguments, LargestRows(part.Rows, arguments.Columns));
            }
            else if (!ProductForms.TakesTensorCores(part.Format, weight.Columns) || part.Format == WeightFormat.BF16)
            {
                ProductArguments some = arguments;
                some.Input = normed = normed != 0 ? normed : Normed(source, arguments.Rows, weight.Columns);
                some.Sums = some.Factors = 0;
                if (ProductForms.TakesTensorCores(part.Format, weight.Columns))
                    MultiplyInTurn(ProductForms.Of(part.Format), some);
                else
                    MultiplyPlainly(ProductForms.Of(part.Format).Plain, some);
            }
            else
            {
                if (!isPrepared)
                    Prepare(source, ref arguments);
                isPrepared = true;
                MultiplyInTurn(ProductForms.Of(part.Format), arguments);
            }

            arguments.Output += part.Rows * sizeof(float);
            arguments.Bias += arguments.Bias == 0 ? 0 : part.Rows * sizeof(float);
        }
    }

    /// <summary>Whether <see cref="RunExperts"/> takes these: all have the same parts, whose rows come in halves.</summary>
    public static bool TakesExperts(IReadOnlyList<DeviceMatrix> experts)
    {
        ReadOnlySpan<CudaMatrix.Part> first = CudaMatrix.From(experts[0], nameof(experts)).Parts;
        for (int e = 0; e < experts.Count; e++)
        {
            ReadOnlySpan<CudaMatrix.Part> parts = CudaMatrix.From(experts[e], nameof(experts)).Parts;
            if (parts.Length != first.Length || experts[e].Columns != experts[0].Columns)
                return false;
            for (int i = 0; i < parts.Length; i++)
            {
                WeightFormat format = parts[i].Format;
                if (format != first[i].Format || parts[i].Rows != first[i].Rows || format == WeightFormat.BF16 || !ProductForms.TakesTensorCores(format, experts[e].Columns))
                    return false;
            }
        }

        return true;
    }

    /// <summary>Multiplies rows with the weights of experts that the device has chosen.</summary>
    /// <param name="weight">One of the experts' matrices; all are alike (<see cref="TakesExperts"/>).</param>
    /// <param name="experts">How many there are.</param>
    /// <param name="tables">Device address of the addresses of their parts, <c>[parts, experts]</c>.</param>
    /// <param name="chosen">Device address of the chosen expert of each slot.</param>
    /// <param name="perRow">Slots of a row.</param>
    /// <param name="source">Rows, and the norm before them.</param>
    /// <param name="arguments">As in <see cref="Run"/>; its rows are those of the source.</param>
    public void RunExperts(CudaMatrix weight, int experts, nint tables, nint chosen, int perRow, in Source source, ProductArguments arguments)
    {
        Prepare(source, ref arguments);
        foreach (CudaMatrix.Part part in weight.Parts)
        {
            arguments.RowBytes = part.RowBytes;
            arguments.Outputs = part.Rows;
            ExpertProductArguments some = new() { Product = arguments, Weights = tables, Chosen = chosen, PerRow = perRow };
            ProductForms.Form form = ProductForms.Of(part.Format).Few;
            queue.Launch(ProductForms.Of(part.Format).Expert, new(Blocks(part.Rows, form.Outputs), arguments.Rows * perRow), form.Threads, form.SharedBytes, some);
            tables += experts * sizeof(long);
            arguments.Output += part.Rows * sizeof(float);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _library.Dispose();
        _normed.Dispose();
        _prepared.Dispose();
    }

    private nint Normed(in Source source, int rows, int columns)
    {
        if (source.Norm == 0)
            return source.Input;
        NormArguments arguments = new()
        {
            Input = source.Input,
            Weights = source.Norm,
            Output = _normed.Ensure((long)rows * columns * sizeof(float)),
            Rows = rows,
            Columns = columns,
            Epsilon = source.Epsilon,
            Scale = 1,
        };
        queue.Launch("kv_norm", new(rows), 32, 0, arguments);
        return arguments.Output;
    }

    // Rows in halves, then the sums of their groups, then their factors.
    private void Prepare(in Source source, ref ProductArguments product)
    {
        const int Threads = 256, SharedBytes = 64;
        product.SumsStride = (product.Columns + 63) / 64 * 4;
        long rowBytes = (long)product.Rows * product.Columns * sizeof(float), sumBytes = (long)product.Rows * product.SumsStride * sizeof(float);
        product.Input = _prepared.Ensure(rowBytes + sumBytes + ((long)product.Rows * sizeof(float)));
        product.Sums = (nint)(product.Input + rowBytes);
        product.Factors = (nint)(product.Sums + sumBytes);
        PrepareArguments arguments = new()
        {
            Input = source.Input,
            Weights = source.Norm,
            Output = product.Input,
            Sums = product.Sums,
            Factors = product.Factors,
            Columns = product.Columns,
            SumsStride = product.SumsStride,
            Epsilon = source.Epsilon,
        };
        queue.Launch("kv_prepare", new(product.Rows), Threads, SharedBytes, arguments);
    }

    // Whole tiles of the form for many rows.
    private int LargestRows(int outputs, int columns) => (int)Math.Clamp(LargestLaunch / ((long)outputs * columns) / TileRows * TileRows, TileRows, GridLimit / TileRows * TileRows * PlainRows);

    private void MultiplyInTurn(ProductForms forms, ProductArguments arguments)
    {
        int most = LargestRows(arguments.Outputs, arguments.Columns);
        for (int left = arguments.Rows; left > 0; left -= most)
        {
            arguments.Rows = Math.Min(most, left);
            Multiply(forms, arguments);
            arguments.Input += (nint)((long)most * arguments.Columns * sizeof(float));
            arguments.Sums += arguments.Sums == 0 ? 0 : (nint)((long)most * arguments.SumsStride * sizeof(float));
            arguments.Factors += arguments.Factors == 0 ? 0 : (nint)((long)most * sizeof(float));
            arguments.Output += (nint)((long)most * arguments.OutputStride * sizeof(float));
        }
    }

    private void Multiply(ProductForms forms, in ProductArguments arguments)
    {
        if (arguments.Rows <= forms.Few.Rows)
        {
            queue.Launch(forms.Few.Kernel, new(Blocks(arguments.Outputs, forms.Few.Outputs)), forms.Few.Threads, forms.Few.SharedBytes, arguments);
            return;
        }

        ProductForms.Form many = forms.Many, some = forms.Some;
        int blocks = Blocks(arguments.Rows, many.Rows), outputBlocks = Blocks(arguments.Outputs, many.Outputs);
        bool busy = 2L * blocks * outputBlocks >= queue.Multiprocessors;
        if (arguments.Rows > some.Rows && outputBlocks <= GridLimit && (busy || Blocks(arguments.Rows, some.Rows) > GridLimit))
            queue.Launch(many.Kernel, new(blocks, outputBlocks), many.Threads, many.SharedBytes, arguments);
        else
            queue.Launch(some.Kernel, new(Blocks(arguments.Outputs, some.Outputs), Blocks(arguments.Rows, some.Rows)), some.Threads, some.SharedBytes, arguments);
    }

    private void MultiplyPlainly(string kernel, in ProductArguments product)
    {
        LinearArguments arguments = new()
        {
            Weights = product.Weights,
            Bias = product.Bias,
            RowBytes = product.RowBytes,
            Outputs = product.Outputs,
            Columns = product.Columns,
            OutputStride = product.OutputStride,
            Adds = product.Adds,
            Scale = product.Scale,
            Cap = product.Cap,
        };
        for (int first = 0; first < product.Rows; first += arguments.Rows)
        {
            arguments.Rows = Math.Min(product.Rows - first, LargestRows(product.Outputs, product.Columns));
            arguments.Input = product.Input + (nint)((long)first * product.Columns * sizeof(float));
            arguments.Output = product.Output + (nint)((long)first * product.OutputStride * sizeof(float));
            queue.Launch(kernel, new(Blocks(product.Outputs, PlainOutputs), Blocks(arguments.Rows, PlainRows)), PlainThreads, 0, arguments);
        }
    }

    private static int Blocks(int count, int each) => (int)(((long)count + each - 1) / each);

    /// <summary>Where rows are, the weights of an RMS norm before them or 0, and what it adds under the root.</summary>
    internal readonly record struct Source(nint Input, nint Norm, float Epsilon)
    {
        /// <summary>The tensor whose first rows they are; null where they are in no tensor.</summary>
        public CudaTensor? Tensor { get; init; }
    }
}
