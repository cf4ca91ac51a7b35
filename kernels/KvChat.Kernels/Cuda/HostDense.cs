using KvChat.Kernels.Cpu;

namespace KvChat.Kernels.Cuda;

/// <summary>
/// Dense operations on the processor, with activations brought there and back: correct and slow, for weights that have no kernel on the device.
/// Activations stay in fp32, so that numbers are as exact as a device's would be.
/// </summary>
internal sealed unsafe class HostDense(CudaQueue queue) : IDisposable
{
    private readonly CpuBackend _cpu = new(new CpuBackendOptions { Activations = ActivationPrecision.Float32 });
    private readonly Dictionary<(int Place, int Columns), CpuTensor> _tensors = [];

    /// <summary>Keeps weights in host memory.</summary>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => _cpu.LoadMatrix(parts);

    /// <summary>Rows of an embedding table.</summary>
    public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale)
    {
        CudaTensor to = CudaTensor.From(output, nameof(output));
        if (tokens.Length > to.Rows)
            throw new ArgumentException($"{tokens.Length} rows of {table.Columns} numbers do not fit into a tensor of {to.Rows} x {to.Columns}.", nameof(output));
        CpuTensor host = Host(1, Math.Max(1, tokens.Length), to.Columns);
        _cpu.Embed(table, tokens, host, scale);
        Send(host, to, tokens.Length);
    }

    /// <summary>A linear layer.</summary>
    public void Linear(in LinearOperation operation)
    {
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        CheckRows(operation.Rows, input, output);
        CpuTensor from = Fetch(0, input, operation.Rows), to = Target(output, operation.Rows, operation.Epilogue == LinearEpilogue.Add);
        _cpu.Linear(operation with { Input = from, Output = to, Norm = Twin(operation.Norm), Bias = Twin(operation.Bias) });
        Send(to, output, operation.Rows);
    }

    /// <summary>Adds a normalised tensor to another.</summary>
    public void AddNormed(in NormOperation operation)
    {
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        CheckRows(operation.Rows, input, output);
        CpuTensor from = Fetch(0, input, operation.Rows), to = ReferenceEquals(input, output) ? from : Target(output, operation.Rows, isRead: true);
        _cpu.AddNormed(operation with { Input = from, Output = to, Norm = Twin(operation.Norm)! });
        Send(to, output, operation.Rows);
    }

    /// <summary>A feed-forward part with experts.</summary>
    public void Experts(in ExpertOperation operation)
    {
        CudaTensor input = CudaTensor.From(operation.Input, nameof(operation.Input)), output = CudaTensor.From(operation.Output, nameof(operation.Output));
        CheckRows(operation.Rows, input, output);
        CpuTensor from = Fetch(0, input, operation.Rows), to = ReferenceEquals(input, output) ? from : Target(output, operation.Rows, operation.Adds);
        _cpu.Experts(operation with { Input = from, Output = to, Norm = Twin(operation.Norm) });
        Send(to, output, operation.Rows);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CpuTensor tensor in _tensors.Values)
            tensor.Dispose();
        _tensors.Clear();
        _cpu.Dispose();
    }

    private static void CheckRows(int rows, CudaTensor input, CudaTensor output)
    {
        if (rows < 0 || rows > input.Rows || rows > output.Rows)
            throw new ArgumentException($"Rows is {rows}; the input has {input.Rows} and the output {output.Rows}.", nameof(rows));
    }

    private static CpuVector? Twin(DeviceVector? vector) => vector is null ? null : CudaVector.From(vector, nameof(vector)).HostTwin;

    private CpuTensor Target(CudaTensor output, int rows, bool isRead) => isRead ? Fetch(1, output, rows) : Host(1, Math.Max(1, rows), output.Columns);

    private CpuTensor Fetch(int place, CudaTensor source, int rows)
    {
        CpuTensor host = Host(place, Math.Max(1, rows), source.Columns);
        if (rows > 0)
            queue.Download(source.Address, new Span<byte>(host.Data, checked(rows * source.Columns * sizeof(float))));
        return host;
    }

    private void Send(CpuTensor source, CudaTensor target, int rows)
    {
        if (rows > 0)
            queue.Upload(target.Address, new ReadOnlySpan<byte>(source.Data, checked(rows * target.Columns * sizeof(float))));
    }

    private CpuTensor Host(int place, int rows, int columns)
    {
        if (_tensors.TryGetValue((place, columns), out CpuTensor? found) && found.Rows >= rows)
            return found;
        found?.Dispose();
        CpuTensor made = new(rows, columns);
        _tensors[(place, columns)] = made;
        return made;
    }
}
