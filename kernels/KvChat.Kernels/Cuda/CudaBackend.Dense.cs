namespace KvChat.Kernels.Cuda;

public sealed partial class CudaBackend
{
    private readonly CudaLinear _linear;
    private readonly CudaExperts _experts;
    private readonly CudaTop _top;

    /// <summary>Most multiplications of a product's launch.</summary>
    internal long LargestProduct { set => _linear.Products.LargestLaunch = value; }

    /// <inheritdoc/>
    public int MaxTop => TopValues.Most;

    /// <inheritdoc/>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => CudaMatrix.Load(_queue, parts);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1) =>
        _linear.Embed(CudaMatrix.From(table, nameof(table)), tokens, CudaTensor.From(output, nameof(output)), scale);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Linear(in LinearOperation operation) => _linear.Linear(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void AddNormed(in NormOperation operation) => _linear.AddNormed(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Experts(in ExpertOperation operation) => _experts.Run(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The spans do not fit the rows.</exception>
    public void FindTop(DeviceTensor tensor, int rows, Span<int> columns, Span<float> values) =>
        _top.Find(CudaTensor.From(tensor, nameof(tensor)), rows, columns, values);
}
