namespace KvChat.Kernels.Cpu;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => throw new NotSupportedException();

    /// <inheritdoc/>
    public KvArena CreateArena(in KvArenaShape shape) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Append(in AppendOperation operation) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void Attend(in AttentionOperation operation) => throw new NotSupportedException();
}
