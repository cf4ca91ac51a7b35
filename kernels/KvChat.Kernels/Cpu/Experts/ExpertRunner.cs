namespace KvChat.Kernels.Cpu;

/// <summary>
/// Runs the experts of a layer: routes every row, then takes expert after expert over the rows that chose it, and adds each row's results in its own order.
/// Scratch memory only ever grows.
/// </summary>
internal sealed unsafe class ExpertRunner(LinearRunner linear, int simdWidth) : IDisposable
{
    private readonly RowKernels _kernels = RowKernels.Of(simdWidth);
    private CpuTensor? _logits, _gathered, _hidden, _part, _results;
    private int[] _chosen = [];
    private float[] _weights = [];

    /// <summary>Runs an operation.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Run(in ExpertOperation operation)
    {
        Check(operation);
        int rows = operation.Rows, perRow = operation.PerRow, width = operation.Input.Columns;
        if (rows == 0)
            return;
        CpuTensor input = CpuTensor.From(operation.Input, nameof(operation.Input)), output = CpuTensor.From(operation.Output, nameof(operation.Output));
        Route(operation);
        CpuTensor results = Room(ref _results, rows * perRow, width);
        for (int expert = 0; expert < operation.GateUp.Count; expert++)
            RunExpert(operation, expert, input, results);
        float scale = operation.Scale == 0 ? 1 : operation.Scale;
        for (int row = 0; row < rows; row++)
        {
            if (!operation.Adds)
                new Span<float>(output.Row(row), width).Clear();
            for (int i = row * perRow; i < (row + 1) * perRow; i++)
                AddRow(results.Row(i), _weights[i] * scale, output.Row(row), width, _kernels);
        }
    }

    /// <summary><c>output += scale * input</c>, a multiply-add per number.</summary>
    public static void AddRow(float* input, float scale, float* output, int count, in RowKernels kernels)
    {
        int i = 0;
        for (; i <= count - PanelShape.Rows; i += PanelShape.Rows)
            kernels.Store(input + i, null, scale, true, output + i);
        for (; i < count; i++)
            output[i] = MathF.FusedMultiplyAdd(input[i], scale, output[i]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CpuTensor? tensor in (ReadOnlySpan<CpuTensor?>)[_logits, _gathered, _hidden, _part, _results])
            tensor?.Dispose();
    }

    private void Route(in ExpertOperation operation)
    {
        int rows = operation.Rows, perRow = operation.PerRow, experts = operation.Router.Rows;
        CpuTensor logits = Room(ref _logits, rows, experts);
        linear.Run(new LinearOperation
        {
            Input = operation.Input,
            Rows = rows,
            Norm = operation.Norm,
            NormEpsilon = operation.NormEpsilon,
            Weight = operation.Router,
            Output = logits,
        });
        if (_chosen.Length < rows * perRow)
        {
            _chosen = new int[rows * perRow];
            _weights = new float[rows * perRow];
        }

        for (int row = 0; row < rows; row++)
        {
            ExpertChoice.Choose(
                new ReadOnlySpan<float>(logits.Row(row), experts), operation.Normalises, _chosen.AsSpan(row * perRow, perRow), _weights.AsSpan(row * perRow, perRow));
        }
    }

    private void RunExpert(in ExpertOperation operation, int expert, CpuTensor input, CpuTensor results)
    {
        int perRow = operation.PerRow, width = input.Columns, hiddenWidth = operation.Down[expert].Columns, count = 0;
        ReadOnlySpan<int> chosen = _chosen.AsSpan(0, operation.Rows * perRow);
        CpuTensor gathered = Room(ref _gathered, operation.Rows, width);
        for (int i = 0; i < chosen.Length; i++)
        {
            if (chosen[i] == expert)
                new ReadOnlySpan<float>(input.Row(i / perRow), width).CopyTo(new Span<float>(gathered.Row(count++), width));
        }

        if (count == 0)
            return;
        CpuTensor hidden = Room(ref _hidden, operation.Rows, hiddenWidth), part = Room(ref _part, operation.Rows, width);
        linear.Run(new LinearOperation
        {
            Input = gathered,
            Rows = count,
            Norm = operation.Norm,
            NormEpsilon = operation.NormEpsilon,
            Weight = operation.GateUp[expert],
            Output = hidden,
            Epilogue = operation.Activation,
        });
        linear.Run(new LinearOperation { Input = hidden, Rows = count, Weight = operation.Down[expert], Output = part });
        for (int i = 0, at = 0; at < count; i++)
        {
            if (chosen[i] == expert)
                new ReadOnlySpan<float>(part.Row(at++), width).CopyTo(new Span<float>(results.Row(i), width));
        }
    }

    private static CpuTensor Room(ref CpuTensor? tensor, int rows, int columns)
    {
        if (tensor is null || tensor.Rows < rows || tensor.Columns != columns)
        {
            tensor?.Dispose();
            tensor = null;
            tensor = new CpuTensor(rows, columns);
        }

        return tensor;
    }

    /// <summary>Checks that shapes fit.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    internal static void Check(in ExpertOperation operation)
    {
        int experts = operation.Router.Rows;
        if (operation.GateUp.Count != experts || operation.Down.Count != experts)
            throw new ArgumentException($"The router chooses among {experts} experts, but there are {operation.GateUp.Count} and {operation.Down.Count}.", nameof(operation));
        if (operation.PerRow < 1 || operation.PerRow > experts)
            throw new ArgumentException($"PerRow is {operation.PerRow}; it must be from 1 to {experts}.", nameof(operation));
        if (operation.Rows < 0 || operation.Rows > operation.Input.Rows || operation.Rows > operation.Output.Rows)
            throw new ArgumentException($"Rows is {operation.Rows}; the input has {operation.Input.Rows} and the output {operation.Output.Rows}.", nameof(operation));
        if (operation.Output.Columns != operation.Input.Columns)
            throw new ArgumentException($"The output has {operation.Output.Columns} columns, the input {operation.Input.Columns}.", nameof(operation));
        if (ReferenceEquals(operation.Input, operation.Output) && !operation.Adds)
            throw new ArgumentException("Input and output are the same tensor.", nameof(operation));
    }
}
