namespace KvChat.Kernels.Cpu;

/// <summary>Parameters in native memory.</summary>
internal sealed unsafe class CpuVector : DeviceVector
{
    private readonly NativeBuffer _buffer;

    public CpuVector(ReadOnlySpan<float> values)
        : base(values.Length)
    {
        _buffer = new NativeBuffer((long)values.Length * sizeof(float));
        values.CopyTo(new Span<float>(_buffer.Data, values.Length));
    }

    /// <summary>First number, aligned to 64 bytes.</summary>
    public float* Data => (float*)_buffer.Data;

    /// <inheritdoc/>
    public override void Dispose() => _buffer.Dispose();

    /// <summary>The numbers of a vector that must have this length, or null for no vector.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end, or has another length.</exception>
    public static float* DataOf(DeviceVector? vector, int length, string name)
    {
        if (vector is null)
            return null;
        if (vector is not CpuVector own)
            throw new ArgumentException($"A {vector.GetType().Name} is no vector of the CPU back end.", name);
        return own.Length == length ? own.Data : throw new ArgumentException($"{name} has {own.Length} numbers, not {length}.", name);
    }
}
