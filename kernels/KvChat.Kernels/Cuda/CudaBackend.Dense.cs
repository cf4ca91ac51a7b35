namespace KvChat.Kernels.Cuda;

public sealed partial class CudaBackend
{
    private readonly HostDense _dense;

    /// <inheritdoc/>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => _dense.LoadMatrix(parts);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1) => _dense.Embed(table, tokens, output, scale);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Linear(in LinearOperation operation) => _dense.Linear(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void AddNormed(in NormOperation operation) => _dense.AddNormed(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Experts(in ExpertOperation operation) => _dense.Experts(operation);
}
