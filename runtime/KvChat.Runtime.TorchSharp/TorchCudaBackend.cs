using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using static TorchSharp.torch;

namespace KvChat.Runtime.TorchSharp;

/// <summary>
/// The compute contract on TorchSharp tensors of a CUDA device: torch does the matrix products in fp32, the kernels of <see cref="CudaBackend"/> attention, the cache and all that is done row by row, in
/// the tensors' own memory and in torch's context.
/// </summary>
/// <remarks>Torch picks its kernels by the shape of a product, so a row's last bits may depend on how many others are multiplied with it.</remarks>
public sealed class TorchCudaBackend : IComputeBackend
{
    private readonly CudaBackend _cuda;
    private readonly TorchPlace _place;
    private readonly TorchCudaProducts _products;

    /// <summary>Opens the device.</summary>
    /// <param name="device">Its number, 0 for the first; torch and the driver count alike.</param>
    /// <exception cref="CudaUnavailableException">Torch or the kernels cannot use a CUDA device here; the message says why.</exception>
    /// <exception cref="ArgumentException">There are fewer devices.</exception>
    public TorchCudaBackend(int device = 0)
        : this(Checked(device), new CudaBackendOptions { Device = device })
    {
    }

    /// <summary>Takes tensors of a place that the driver's device shares.</summary>
    internal TorchCudaBackend(TorchPlace place, CudaBackendOptions options)
    {
        // What is held back for a graph would come after what torch does next.
        _cuda = new CudaBackend(options with { UsesGraphs = false, Products = CudaProductSource.Own });
        _place = place;
        _products = new TorchCudaProducts(_cuda.Queue, place);
    }

    /// <inheritdoc/>
    public string Name => $"TorchSharp, libtorch {__version__}, {_place.Device}; kernels: {_cuda.Name}";

    /// <inheritdoc/>
    /// <exception cref="CudaException">The driver does not say.</exception>
    public long? FreeMemoryBytes => _cuda.FreeMemoryBytes;

    /// <inheritdoc/>
    public int MaxTop => _cuda.MaxTop;

    /// <summary>The kernels' device.</summary>
    internal CudaQueue Queue => _cuda.Queue;

    /// <summary>Whether torch and the kernels can both use a CUDA device here.</summary>
    /// <param name="device">Its number, 0 for the first.</param>
    /// <param name="reason">Why not.</param>
    public static bool IsAvailable(int device, [System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? reason)
    {
        if (!TorchHasCuda(out reason))
            return false;
        if (device < 0 || device >= cuda.device_count())
        {
            reason = $"{nameof(TorchBackendOptions.DeviceIndex)} is {device}; torch sees {cuda.device_count()} CUDA device(s), counted from 0.";
            return false;
        }

        return CudaBackend.IsAvailable(new CudaBackendOptions { Device = device }, out reason);
    }

    /// <inheritdoc/>
    public DeviceTensor CreateTensor(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return TorchCudaTensor.Create(_cuda.Queue, _place, rows, columns);
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The device has too little memory.</exception>
    public DeviceVector CreateVector(ReadOnlySpan<float> values) => _cuda.CreateVector(values);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => TorchCudaMatrix.Load(_products, parts);

    /// <inheritdoc/>
    public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => _cuda.CreateRotary(inverseFrequencies, magnitude);

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The pool does not fit; the message says its size and what is free.</exception>
    public KvArena CreateArena(in KvArenaShape shape) => _cuda.CreateArena(shape);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A token is no row of the table, or the tensor does not fit.</exception>
    public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1) => _cuda.Embed(table, tokens, output, scale);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Linear(in LinearOperation operation) => _cuda.Linear(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void AddNormed(in NormOperation operation) => _cuda.AddNormed(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public void Experts(in ExpertOperation operation) => _cuda.Experts(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Append(in AppendOperation operation) => _cuda.Append(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A tensor, the batch or a parameter does not fit the others; the message names it.</exception>
    public void Attend(in AttentionOperation operation) => _cuda.Attend(operation);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The tensors do not fit.</exception>
    public void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination) => _cuda.Gather(source, rows, destination);

    /// <inheritdoc/>
    public void Read(DeviceTensor tensor, int row, Span<float> destination) => _cuda.Read(tensor, row, destination);

    /// <inheritdoc/>
    public void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source) => _cuda.Write(tensor, row, source);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The spans do not fit the rows.</exception>
    public void FindTop(DeviceTensor tensor, int rows, Span<int> columns, Span<float> values) => _cuda.FindTop(tensor, rows, columns, values);

    /// <inheritdoc/>
    public void Dispose()
    {
        _products.Dispose();
        _cuda.Dispose();
    }

    private static TorchPlace Checked(int device)
    {
        if (!IsAvailable(device, out string? reason))
            throw new CudaUnavailableException($"TorchSharp's tensors were asked for on CUDA device {device}, which cannot be: {reason}");
        return new TorchPlace(new Device(global::TorchSharp.DeviceType.CUDA, device));
    }

    private static bool TorchHasCuda([System.Diagnostics.CodeAnalysis.NotNullWhen(false)] out string? reason)
    {
        reason = "the libtorch at hand has no CUDA, or finds no device. Reference TorchSharp-cuda-linux or TorchSharp-cuda-windows (-p:LibTorch=cuda), and see that a driver is installed.";
        try
        {
            return TryInitializeDeviceType(global::TorchSharp.DeviceType.CUDA) && cuda.is_available();
        }
        catch (NotSupportedException missing)
        {
            reason = missing.Message;
            return false;
        }
    }
}
