using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>
/// The compute contract on TorchSharp tensors: torch does the matrix products in fp32, the CPU kernels attention, the cache and all that is done row by row, in the
/// tensors' own memory. Runs on the processor.
/// </summary>
/// <remarks>
/// A row's numbers depend on that row alone: products take whole blocks of 8 rows, for which torch's multiplication rounds alike whatever their number; the conformance suite checks it.
/// Unlike the CPU back end, a step allocates a few handles on the managed heap.
/// </remarks>
public sealed class TorchBackend : IComputeBackend
{
    private readonly CpuBackend _cpu;
    private readonly TorchLinear _linear;
    private TorchExperts? _experts;

    /// <summary>Starts the threads of the CPU kernels.</summary>
    /// <param name="threads">Worker threads of the kernels and of torch, whose number holds for the whole process; 0 for one per processor and for torch's own choice.</param>
    /// <exception cref="ArgumentException">There cannot be so many threads.</exception>
    /// <exception cref="NotSupportedException">libtorch cannot be loaded; the message of TorchSharp says where it was looked for.</exception>
    public TorchBackend(int threads = 0)
    {
        _cpu = new CpuBackend(new CpuBackendOptions { Threads = threads, Activations = ActivationPrecision.Float32 });
        try
        {
            TryInitializeDeviceType(global::TorchSharp.DeviceType.CPU);
            if (threads > 0)
                set_num_threads(threads);
        }
        catch
        {
            _cpu.Dispose();
            throw;
        }

        _linear = new TorchLinear(_cpu);
    }

    /// <summary>Makes one on torch's tensors, for where a function that makes a back end is wanted: on the first CUDA device where torch and the kernels can use it, else on the processor.</summary>
    /// <param name="threads">As of the constructor.</param>
    public static IComputeBackend Create(int threads) => Create(new TorchBackendOptions { Threads = threads });

    /// <summary>Makes one on torch's tensors where the options say.</summary>
    /// <exception cref="CudaUnavailableException">A CUDA device was asked for, and torch or the kernels cannot use it; the message says why.</exception>
    /// <exception cref="ArgumentException">An option is out of range; the message names it.</exception>
    /// <exception cref="NotSupportedException">libtorch cannot be loaded; the message of TorchSharp says where it was looked for.</exception>
    public static IComputeBackend Create(TorchBackendOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.DeviceIndex < 0)
            throw new ArgumentException($"{nameof(TorchBackendOptions.DeviceIndex)} is {options.DeviceIndex}; it counts from 0.", nameof(options));
        return options.Device switch
        {
            TorchDevice.Cpu => new TorchBackend(options.Threads),
            TorchDevice.Auto when options.DeviceIndex == 0 && !TorchCudaBackend.IsAvailable(0, out _) => new TorchBackend(options.Threads),
            TorchDevice.Auto or TorchDevice.Cuda => new TorchCudaBackend(options.DeviceIndex),
            _ => throw new ArgumentException($"{nameof(TorchBackendOptions.Device)} is {options.Device}; it must be one of {string.Join(", ", Enum.GetNames<TorchDevice>())}.", nameof(options)),
        };
    }

    /// <inheritdoc/>
    public string Name => $"TorchSharp, libtorch {__version__}, {get_num_threads()} threads; kernels: {_cpu.Name}";

    /// <inheritdoc/>
    public DeviceTensor CreateTensor(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new TorchTensor(rows, columns);
    }

    /// <inheritdoc/>
    public DeviceVector CreateVector(ReadOnlySpan<float> values) => _cpu.CreateVector(values);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => TorchMatrix.Load(parts);

    /// <inheritdoc/>
    public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => _cpu.CreateRotary(inverseFrequencies, magnitude);

    /// <inheritdoc/>
    public KvArena CreateArena(in KvArenaShape shape) => _cpu.CreateArena(shape);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public unsafe void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1)
    {
        TorchMatrix from = TorchMatrix.From(table, nameof(table));
        TorchTensor to = TorchTensor.From(output, nameof(output));
        if (to.Columns != from.Columns || to.Rows < tokens.Length)
            throw new ArgumentException($"{tokens.Length} rows of {from.Columns} numbers do not fit into a tensor of {to.Rows} x {to.Columns}.", nameof(output));
        float* rows = TorchTensor.DataOf(from.Values);
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)from.Rows)
                throw new ArgumentException($"Token {tokens[i]} is no row of a table of {from.Rows}.", nameof(tokens));
            var source = new ReadOnlySpan<float>(rows + ((long)tokens[i] * from.Columns), from.Columns);
            var target = new Span<float>(to.View.Row(i), from.Columns);
            for (int k = 0; k < target.Length; k++)
                target[k] = source[k] * scale;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Linear(in LinearOperation operation) => _linear.Run(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void AddNormed(in NormOperation operation) => _cpu.AddNormed(operation with
    {
        Input = View(operation.Input, nameof(operation.Input)), Output = View(operation.Output, nameof(operation.Output)),
    });

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Experts(in ExpertOperation operation) => (_experts ??= new TorchExperts(_linear, _cpu.SimdWidth)).Run(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Append(in AppendOperation operation) => _cpu.Append(operation with { QueryKeyValue = View(operation.QueryKeyValue, nameof(operation.QueryKeyValue)) });

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Attend(in AttentionOperation operation) => _cpu.Attend(operation with
    {
        QueryKeyValue = View(operation.QueryKeyValue, nameof(operation.QueryKeyValue)), Output = View(operation.Output, nameof(operation.Output)),
    });

    /// <inheritdoc/>
    public void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination) =>
        _cpu.Gather(View(source, nameof(source)), rows, View(destination, nameof(destination)));

    /// <inheritdoc/>
    public void Read(DeviceTensor tensor, int row, Span<float> destination) => _cpu.Read(View(tensor, nameof(tensor)), row, destination);

    /// <inheritdoc/>
    public void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source) => _cpu.Write(View(tensor, nameof(tensor)), row, source);

    /// <inheritdoc/>
    public void Dispose()
    {
        _experts?.Dispose();
        _linear.Dispose();
        _cpu.Dispose();
    }

    private static CpuTensor View(DeviceTensor tensor, string name) => TorchTensor.From(tensor, name).View;
}
