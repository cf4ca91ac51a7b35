namespace KvChat.Kernels.Cpu;

/// <summary>Activations in native memory: row r starts at <c>Data + r * Columns</c>.</summary>
internal sealed unsafe class CpuTensor(int rows, int columns) : DeviceTensor(rows, columns)
{
    private readonly NativeBuffer _buffer = new((long)rows * columns * sizeof(float));

    /// <summary>First number of row 0, aligned to 64 bytes.</summary>
    public float* Data => (float*)_buffer.Data;

    /// <summary>First number of a row, checked.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public float* Row(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The tensor has {Rows} rows.");
        return Data + ((long)row * Columns);
    }

    /// <inheritdoc/>
    public override void Dispose() => _buffer.Dispose();

    /// <summary>The tensor as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CpuTensor From(DeviceTensor tensor, string name) => tensor as CpuTensor
        ?? throw new ArgumentException($"A {tensor?.GetType().Name ?? "null"} is no tensor of the CPU back end.", name);
}
