using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>The compute contract on an NVIDIA device, through its driver alone: kernels come as PTX within this assembly.</summary>
/// <remarks>Everything runs in order on one stream of the device's primary context; only what is read back is waited for.</remarks>
public sealed partial class CudaBackend : IComputeBackend
{
    private readonly CudaQueue _queue;
    private readonly CudaAttention _attention;
    private bool _disposed;

    /// <summary>Opens the device.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver or no device, or one that is too old; or cuBLAS is asked for and not here. The message says which.</exception>
    /// <exception cref="CudaException">The driver refuses something.</exception>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public CudaBackend(CudaBackendOptions? options = null)
    {
        _queue = new CudaQueue(options ?? new CudaBackendOptions());
        _attention = new CudaAttention(_queue);
        _linear = new CudaLinear(_queue);
        _experts = new CudaExperts(_queue, _linear);
        _top = new CudaTop(_queue);
    }

    /// <inheritdoc/>
    public string Name => $"CUDA, {_queue.Context.Name}, compute capability {_queue.Context.Capability / 10}.{_queue.Context.Capability % 10}, {_queue.Multiprocessors} multiprocessors{(_queue.LibraryName is { } library ? $", {library}" : string.Empty)}";

    /// <inheritdoc/>
    /// <exception cref="CudaException">The driver does not say.</exception>
    public long? FreeMemoryBytes => _queue.FreeBytes();

    /// <summary>The device.</summary>
    internal CudaQueue Queue => _queue;

    /// <summary>Appending and attention.</summary>
    internal CudaAttention Attention => _attention;

    /// <summary>Whether a device can be used here.</summary>
    /// <param name="options">Which device; null for the first.</param>
    /// <param name="reason">Why not.</param>
    /// <exception cref="ArgumentException">The options name a device that is not there although others are.</exception>
    public static bool IsAvailable(CudaBackendOptions? options, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? reason)
    {
        options ??= new CudaBackendOptions();
        try
        {
            using Driver.CudaContext context = new(Driver.CudaDriver.Load(options.DriverPath), options.Device);
            reason = null;
            return true;
        }
        catch (CudaException unavailable)
        {
            reason = unavailable.Message;
            return false;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The device has too little memory.</exception>
    public DeviceTensor CreateTensor(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new CudaTensor(_queue, rows, columns);
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The device has too little memory.</exception>
    public DeviceVector CreateVector(ReadOnlySpan<float> values) => new CudaVector(_queue, values);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">There is no frequency.</exception>
    public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => new CudaRotary(_queue, inverseFrequencies, magnitude);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The shape has no layout; the message says which field is wrong.</exception>
    /// <exception cref="CudaOutOfMemoryException">The pool does not fit; the message says its size and what is free.</exception>
    public KvArena CreateArena(in KvArenaShape shape) => new CudaArena(_queue, shape);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Append(in AppendOperation operation) => _attention.Append(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Attend(in AttentionOperation operation) => _attention.Attend(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The tensors do not fit.</exception>
    public void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination)
    {
        CudaTensor from = CudaTensor.From(source, nameof(source)), to = CudaTensor.From(destination, nameof(destination));
        if (from.Columns != to.Columns)
            throw new ArgumentException($"The source has {from.Columns} columns, the destination {to.Columns}.", nameof(destination));
        if (rows.Length > to.Rows)
            throw new ArgumentException($"{rows.Length} rows do not fit into a tensor of {to.Rows}.", nameof(rows));
        foreach (int row in rows)
            _ = from.Row(row);

        // Neighbours go in one copy.
        for (int first = 0, end; first < rows.Length; first = end)
        {
            for (end = first + 1; end < rows.Length && rows[end] == rows[end - 1] + 1;)
                end++;
            _queue.Copy(from.Row(rows[first]), to.Row(first), (long)(end - first) * from.Columns * sizeof(float));
        }
    }

    /// <inheritdoc/>
    public void Read(DeviceTensor tensor, int row, Span<float> destination)
    {
        CudaTensor from = CudaTensor.From(tensor, nameof(tensor));
        CheckRowLength(from, destination.Length, nameof(destination));
        _queue.Download(from.Row(row), MemoryMarshal.AsBytes(destination));
    }

    /// <inheritdoc/>
    public void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source)
    {
        CudaTensor to = CudaTensor.From(tensor, nameof(tensor));
        CheckRowLength(to, source.Length, nameof(source));
        _queue.Upload(to.Row(row), MemoryMarshal.AsBytes(source));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _attention.Dispose();
        _experts.Dispose();
        _top.Dispose();
        _linear.Dispose();
        _queue.Dispose();
    }

    private static void CheckRowLength(CudaTensor tensor, int length, string name)
    {
        if (length != tensor.Columns)
            throw new ArgumentException($"A row of the tensor has {tensor.Columns} numbers, not {length}.", name);
    }
}
