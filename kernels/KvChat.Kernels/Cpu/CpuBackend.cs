namespace KvChat.Kernels.Cpu;

/// <summary>
/// The compute contract on the processor: quantised weights in panels of 16 rows, vector kernels of four widths that round alike, and a
/// team of threads of its own.
/// </summary>
public sealed partial class CpuBackend : IComputeBackend
{
    private readonly WorkerTeam _team;
    private readonly int _width;
    private readonly ActivationPrecision _activations;
    private readonly LinearRunner _linear;
    private ExpertRunner? _experts;

    /// <summary>Starts the threads.</summary>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    /// <exception cref="PlatformNotSupportedException">The machine lacks the vector width asked for.</exception>
    public CpuBackend(CpuBackendOptions? options = null)
    {
        options ??= new CpuBackendOptions();
        if (options.Threads is < 0 or > 1024)
            throw new ArgumentException($"{nameof(CpuBackendOptions.Threads)} is {options.Threads}; it can be 1 to 1024, or 0 for one per processor.", nameof(options));
        if (!Enum.IsDefined(options.Activations))
            throw new ArgumentException($"{nameof(CpuBackendOptions.Activations)} is {options.Activations}, which is no {nameof(ActivationPrecision)}.", nameof(options));
        _width = SimdWidths.Resolve(options.SimdWidth, Environment.GetEnvironmentVariable(SimdWidths.Variable));
        _activations = options.Activations;
        _team = new WorkerTeam(options.Threads == 0 ? Environment.ProcessorCount : options.Threads);
        _linear = new LinearRunner(_team, _width);
    }

    /// <inheritdoc/>
    public string Name => $"CPU, {SimdWidths.Name(_width)}, {_team.Count} {(_team.Count == 1 ? "thread" : "threads")}";

    /// <summary>The threads; operations of all kinds share them.</summary>
    internal WorkerTeam Team => _team;

    /// <summary>Vector width in use, in bits; 0 for the scalar reference.</summary>
    internal int SimdWidth => _width;

    /// <inheritdoc/>
    public DeviceTensor CreateTensor(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new CpuTensor(rows, columns);
    }

    /// <inheritdoc/>
    public DeviceVector CreateVector(ReadOnlySpan<float> values) => new CpuVector(values);

    /// <inheritdoc/>
    public unsafe void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination)
    {
        CpuTensor from = CpuTensor.From(source, nameof(source));
        CpuTensor to = CpuTensor.From(destination, nameof(destination));
        if (from.Columns != to.Columns)
            throw new ArgumentException($"The source has {from.Columns} columns, the destination {to.Columns}.", nameof(destination));
        if (rows.Length > to.Rows)
            throw new ArgumentException($"{rows.Length} rows do not fit into a tensor of {to.Rows}.", nameof(rows));
        for (int i = 0; i < rows.Length; i++)
        {
            new ReadOnlySpan<float>(from.Row(rows[i]), from.Columns).CopyTo(new Span<float>(to.Row(i), to.Columns));
        }
    }

    /// <inheritdoc/>
    public unsafe void Read(DeviceTensor tensor, int row, Span<float> destination)
    {
        CpuTensor from = CpuTensor.From(tensor, nameof(tensor));
        CheckRowLength(from, destination.Length, nameof(destination));
        new ReadOnlySpan<float>(from.Row(row), from.Columns).CopyTo(destination);
    }

    /// <inheritdoc/>
    public unsafe void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source)
    {
        CpuTensor to = CpuTensor.From(tensor, nameof(tensor));
        CheckRowLength(to, source.Length, nameof(source));
        source.CopyTo(new Span<float>(to.Row(row), to.Columns));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _experts?.Dispose();
        _linear.Dispose();
        DisposeAttention();
    }

    private static void CheckRowLength(CpuTensor tensor, int length, string name)
    {
        if (length != tensor.Columns)
            throw new ArgumentException($"A row of the tensor has {tensor.Columns} numbers, not {length}.", name);
    }
}
