using KvChat.Kernels;
using KvChat.Kernels.Cuda;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Gpu.Conformance;

/// <summary>
/// The device under test. Cases share one back end, so that kernels are compiled once and cases meet what earlier ones left behind; after a failure the next case gets a new one, for a
/// launch that went wrong spoils the device's context.
/// </summary>
internal sealed class TestDevice(GpuSettings settings) : IDisposable
{
    private readonly List<CudaBackend> _all = [];
    private CudaBackend? _shared;

    /// <summary>The back end of all cases; who is given it does not dispose of it.</summary>
    public CudaBackend Backend => _shared ??= Open();

    /// <summary>The same for suites, which dispose of what they are given.</summary>
    public IComputeBackend Borrow() => new BorrowedBackend(Backend);

    /// <summary>Whether cuBLAS is here, by which many rows may be multiplied.</summary>
    public bool HasLibrary { get; } = Probe(settings);

    /// <summary>A back end that its user disposes of.</summary>
    /// <param name="multiprocessors">How many products are cut for; null for as many as the device has.</param>
    /// <param name="products">Whose products of many rows are taken.</param>
    public CudaBackend Open(int? multiprocessors = null, CudaProductSource products = CudaProductSource.Own)
    {
        CudaBackend backend = settings.Open(multiprocessors: multiprocessors, products: products);
        _all.Add(backend);
        return backend;
    }

    /// <summary>Launches of every kernel so far, and the most shared memory that one asked for.</summary>
    public Dictionary<string, (long Launches, int SharedBytes)> Launches() => _all.SelectMany(backend => backend.Queue.KernelsInUse)
        .GroupBy(kernel => kernel.Name).ToDictionary(group => group.Key, group => (group.Sum(k => k.Launches), group.Max(k => k.LargestShared)));

    /// <summary>Takes a new back end for what comes.</summary>
    public void Renew()
    {
        try
        {
            _shared?.Dispose();
        }
        catch (CudaException)
        {
            // The context is spoilt: what it held went with it.
        }

        _shared = null;
    }

    /// <inheritdoc/>
    public void Dispose() => Renew();

    private static bool Probe(GpuSettings settings)
    {
        using CudaBackend backend = settings.Open(products: CudaProductSource.Auto);
        return backend.Queue.LibraryName is not null;
    }

    private sealed class BorrowedBackend(CudaBackend backend) : IComputeBackend
    {
        public string Name => backend.Name;

        public long? FreeMemoryBytes => backend.FreeMemoryBytes;

        public int MaxTop => backend.MaxTop;

        public DeviceTensor CreateTensor(int rows, int columns) => backend.CreateTensor(rows, columns);

        public DeviceVector CreateVector(ReadOnlySpan<float> values) => backend.CreateVector(values);

        public DeviceMatrix LoadMatrix(ReadOnlySpan<MatrixData> parts) => backend.LoadMatrix(parts);

        public DeviceRotary CreateRotary(ReadOnlySpan<float> inverseFrequencies, float magnitude = 1) => backend.CreateRotary(inverseFrequencies, magnitude);

        public KvArena CreateArena(in KvArenaShape shape) => backend.CreateArena(shape);

        public void Embed(DeviceMatrix table, ReadOnlySpan<int> tokens, DeviceTensor output, float scale = 1) => backend.Embed(table, tokens, output, scale);

        public void Linear(in LinearOperation operation) => backend.Linear(operation);

        public void AddNormed(in NormOperation operation) => backend.AddNormed(operation);

        public void Experts(in ExpertOperation operation) => backend.Experts(operation);

        public void Append(in AppendOperation operation) => backend.Append(operation);

        public void Attend(in AttentionOperation operation) => backend.Attend(operation);

        public void FindTop(DeviceTensor tensor, int rows, Span<int> columns, Span<float> values) => backend.FindTop(tensor, rows, columns, values);

        public void Gather(DeviceTensor source, ReadOnlySpan<int> rows, DeviceTensor destination) => backend.Gather(source, rows, destination);

        public void Read(DeviceTensor tensor, int row, Span<float> destination) => backend.Read(tensor, row, destination);

        public void Write(DeviceTensor tensor, int row, ReadOnlySpan<float> source) => backend.Write(tensor, row, source);

        public void Dispose()
        {
        }
    }
}
