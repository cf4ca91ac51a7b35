namespace KvChat.Kernels.Cpu;

/// <summary>Activations in native memory: row r starts at <c>Data + r * Columns</c>.</summary>
internal sealed unsafe class CpuTensor : DeviceTensor
{
    private readonly NativeBuffer? _buffer;
    private float* _foreign;

    /// <summary>Makes a tensor of zeros.</summary>
    public CpuTensor(int rows, int columns)
        : base(rows, columns) => _buffer = new NativeBuffer((long)rows * columns * sizeof(float));

    /// <summary>A view on memory of another owner, who keeps it alive, aligned to 64 bytes, with 64 bytes to spare at its end.</summary>
    public CpuTensor(int rows, int columns, float* data)
        : base(rows, columns) => _foreign = data;

    /// <summary>First number of row 0, aligned to 64 bytes.</summary>
    public float* Data => _buffer is { } own ? (float*)own.Data : _foreign != null ? _foreign : throw new ObjectDisposedException(nameof(CpuTensor));

    /// <summary>First number of a row, checked.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public float* Row(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The tensor has {Rows} rows.");
        return Data + ((long)row * Columns);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _buffer?.Dispose();
        _foreign = null;
    }

    /// <summary>The tensor as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CpuTensor From(DeviceTensor tensor, string name) => tensor as CpuTensor
        ?? throw new ArgumentException($"A {tensor?.GetType().Name ?? "null"} is no tensor of the CPU back end.", name);
}
