namespace KvChat.Kernels.Cpu;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public int MaxTop => TopValues.Most;

    /// <inheritdoc/>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) =>
        CpuMatrix.Load(parts, _team, _width, _activations == ActivationPrecision.Float32);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public unsafe void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1)
    {
        CpuMatrix from = CpuMatrix.From(table, nameof(table));
        CpuTensor to = CpuTensor.From(output, nameof(output));
        if (to.Columns != from.Columns || to.Rows < tokens.Length)
            throw new ArgumentException($"{tokens.Length} rows of {from.Columns} numbers do not fit into a tensor of {to.Rows} x {to.Columns}.", nameof(output));
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)from.Rows)
                throw new ArgumentException($"Token {token} is no row of a table of {from.Rows}.", nameof(tokens));
        }

        fixed (int* ids = tokens)
        {
            EmbedJob job = new()
            {
                Parts = from.Parts,
                Columns = from.Columns,
                Tokens = ids,
                TokenCount = tokens.Length,
                Output = to.Data,
                Scale = scale,
                Chunks = _team.ChunkCounter,
            };
            _team.RunChunks(&EmbedJob.Work, &job);
        }
    }

    /// <inheritdoc/>
    public void Linear(in LinearOperation operation) => _linear.Run(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public unsafe void AddNormed(in NormOperation operation)
    {
        CpuTensor input = CpuTensor.From(operation.Input, nameof(operation.Input)), output = CpuTensor.From(operation.Output, nameof(operation.Output));
        if (operation.Rows < 0 || operation.Rows > input.Rows || operation.Rows > output.Rows)
            throw new ArgumentException($"Rows is {operation.Rows}; the input has {input.Rows} and the output {output.Rows}.", nameof(operation));
        if (input.Columns != output.Columns || ReferenceEquals(input, output))
            throw new ArgumentException($"An input of {input.Columns} columns cannot be added to an output of {output.Columns}; they are two tensors of equal width.", nameof(operation));
        NormJob job = new()
        {
            Kernels = RowKernels.Of(_width),
            Input = input.Data,
            Output = output.Data,
            Norm = CpuVector.DataOf(operation.Norm, input.Columns, nameof(operation.Norm)),
            NormEpsilon = operation.NormEpsilon,
            Scale = operation.Scale == 0 ? 1 : operation.Scale,
            Rows = operation.Rows,
            Columns = input.Columns,
            Chunks = _team.ChunkCounter,
        };
        if (operation.Rows <= NormJob.ChunkRows)
            NormJob.RunRows(&job, 0, operation.Rows);
        else
            _team.RunChunks(&NormJob.Work, &job);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Experts(in ExpertOperation operation) => (_experts ??= new ExpertRunner(_linear, _width)).Run(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The spans do not fit the rows.</exception>
    public unsafe void FindTop(DeviceTensor tensor, int rows, Span<int> columns, Span<float> values)
    {
        CpuTensor from = CpuTensor.From(tensor, nameof(tensor));
        int count = TopValues.Check(from, rows, columns, values);
        for (int row = 0; row < rows; row++)
            TopValues.Find(new ReadOnlySpan<float>(from.Row(row), from.Columns), columns.Slice(row * count, count), values.Slice(row * count, count));
    }
}
