namespace KvChat.Kernels.Cpu;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Linear(in LinearOperation operation) => throw new NotSupportedException();
}
