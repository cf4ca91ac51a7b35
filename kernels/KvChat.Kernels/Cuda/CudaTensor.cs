namespace KvChat.Kernels.Cuda;

/// <summary>Activations in device memory: row r starts at <c>Address + r * Columns * 4</c>.</summary>
internal class CudaTensor : DeviceTensor
{
    private readonly CudaQueue _queue;
    private readonly bool _owns;
    private nint _address;

    /// <summary>Makes a tensor of zeros.</summary>
    public CudaTensor(CudaQueue queue, int rows, int columns)
        : base(rows, columns)
    {
        _queue = queue;
        long bytes = (long)rows * columns * sizeof(float);
        _address = queue.Allocate(bytes, $"a tensor of {rows} x {columns} numbers");
        queue.Clear(_address, bytes);
        _owns = true;
    }

    /// <summary>A tensor in device memory of another owner, who keeps it as long as this is used.</summary>
    /// <param name="queue">The device.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="address">Device address of the first number, a multiple of 16.</param>
    protected CudaTensor(CudaQueue queue, int rows, int columns, nint address)
        : base(rows, columns)
    {
        _queue = queue;
        _address = address;
    }

    /// <summary>Device address of the first number, aligned to 256 bytes, or to 16 where the memory is another owner's.</summary>
    /// <exception cref="ObjectDisposedException">The tensor has been disposed of.</exception>
    public nint Address => _address != 0 ? _address : throw new ObjectDisposedException(nameof(CudaTensor));

    /// <summary>Device address of a row, checked.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public nint Row(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The tensor has {Rows} rows.");
        return Address + (nint)((long)row * Columns * sizeof(float));
    }

    /// <summary>The tensor as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CudaTensor From(DeviceTensor tensor, string name) => tensor as CudaTensor
        ?? throw new ArgumentException($"A {tensor?.GetType().Name ?? "null"} is no tensor of the CUDA back end.", name);

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_address == 0)
            return;
        if (_owns)
            _queue.Free(_address);
        _address = 0;
    }
}
