namespace KvChat.Kernels.Cpu;

public sealed partial class CpuBackend
{
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
}
