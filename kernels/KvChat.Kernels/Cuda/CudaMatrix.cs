using KvChat.Kernels.Cpu;
using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cuda;

/// <summary>Weights in device memory, in the blocks of their file; only rows are brought into another order.</summary>
internal unsafe class CudaMatrix : DeviceMatrix
{
    // Kernels read weights by 16 bytes, wherever a row ends.
    private const int UploadBytes = 4 << 20, Slack = 16;

    private readonly CudaQueue _queue;
    private readonly Part[] _parts;
    private bool _disposed;

    /// <summary>Weights that are in device memory already.</summary>
    protected CudaMatrix(CudaQueue queue, int rows, int columns, int[] partRows, Part[] parts)
        : base(rows, columns, partRows)
    {
        _queue = queue;
        _parts = parts;
    }

    /// <inheritdoc/>
    public override long Bytes => _parts.Sum(part => part.RowBytes * part.Rows);

    /// <summary>Rows that follow each other and have one format.</summary>
    /// <exception cref="ObjectDisposedException">The matrix has been disposed of.</exception>
    public ReadOnlySpan<Part> Parts => !_disposed ? _parts : throw new ObjectDisposedException(nameof(CudaMatrix));

    /// <summary>Where the weights of all experts are, if this matrix is the first one's.</summary>
    public CudaExpertTable? Experts { get; set; }

    /// <summary>Uploads weights.</summary>
    /// <exception cref="ArgumentException">The parts differ in columns, or a row is no whole number of blocks.</exception>
    /// <exception cref="CudaOutOfMemoryException">The device has too little memory.</exception>
    public static CudaMatrix Load(CudaQueue queue, ReadOnlySpan<MatrixData> sources)
    {
        CpuMatrix.CheckShapes(sources);
        int rows = 0;
        foreach (ref readonly MatrixData source in sources)
            rows = checked(rows + source.Rows);
        List<Part> parts = [];
        try
        {
            for (int first = 0, end; first < sources.Length; first = end)
            {
                // Neighbours of one format are one part, and so one launch.
                end = first + 1;
                while (end < sources.Length && sources[end].Format == sources[first].Format)
                    end++;
                parts.Add(Upload(queue, sources[first..end]));
            }
        }
        catch
        {
            foreach (Part part in parts)
                queue.Free(part.Address);
            throw;
        }

        int[] partRows = new int[sources.Length];
        for (int i = 0; i < partRows.Length; i++)
            partRows[i] = sources[i].Rows;
        return new CudaMatrix(queue, rows, sources[0].Columns, partRows, [.. parts]);
    }

    /// <summary>The matrix as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CudaMatrix From(DeviceMatrix matrix, string name) => matrix as CudaMatrix
        ?? throw new ArgumentException($"A {matrix?.GetType().Name ?? "null"} is no matrix of the CUDA back end.", name);

    /// <summary>Multiplies rows in a way of the matrix' own; false where it has none, and the kernels do it.</summary>
    /// <param name="source">Rows, and the norm before them.</param>
    /// <param name="arguments">How many rows there are, and all about the output.</param>
    public virtual bool TryMultiply(in CudaProducts.Source source, in ProductArguments arguments) => false;

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Experts?.Dispose();
        Free();
    }

    /// <summary>Gives the memory back, once.</summary>
    protected virtual void Free()
    {
        foreach (Part part in _parts)
            _queue.Free(part.Address);
    }

    private static Part Upload(CudaQueue queue, ReadOnlySpan<MatrixData> sources)
    {
        WeightFormat format = sources[0].Format;
        int columns = sources[0].Columns, rows = 0;
        foreach (ref readonly MatrixData source in sources)
            rows += source.Rows;
        long rowBytes = WeightFormats.RowBytes(format, columns);
        nint address = queue.Allocate((rowBytes * rows) + Slack, $"weights of {rows} x {columns} in {WeightFormats.Name(format)}"), at = address;
        try
        {
            foreach (ref readonly MatrixData source in sources)
            {
                Upload(queue, source, at, rowBytes);
                at += (nint)(rowBytes * source.Rows);
            }
        }
        catch
        {
            queue.Free(address);
            throw;
        }

        return new Part(address, format, rows, rowBytes);
    }

    private static void Upload(CudaQueue queue, in MatrixData source, nint address, long rowBytes)
    {
        if (source.Generated is { } generated)
        {
            Generate(queue, generated, source.Format, address, (long)source.Rows * source.Columns / WeightFormats.BlockSize(source.Format));
            return;
        }

        if (source.PairedHeadDim != 0)
        {
            UploadOrdered(queue, source, address, checked((int)rowBytes));
            return;
        }

        long bytes = rowBytes * source.Rows;
        for (long at = 0, count; at < bytes; at += count)
        {
            count = Math.Min(UploadBytes, bytes - at);
            queue.Upload((nint)(address + at), new ReadOnlySpan<byte>(source.Data + at, (int)count));
        }
    }

    private static void UploadOrdered(CudaQueue queue, in MatrixData source, nint address, int rowBytes)
    {
        int most = Math.Max(1, UploadBytes / rowBytes);
        byte[] rows = new byte[(long)Math.Min(most, source.Rows) * rowBytes];
        for (int first = 0, count; first < source.Rows; first += count)
        {
            count = Math.Min(most, source.Rows - first);
            for (int i = 0; i < count; i++)
                new ReadOnlySpan<byte>(source.Data + ((long)source.SourceRow(first + i) * rowBytes), rowBytes).CopyTo(rows.AsSpan(i * rowBytes));
            queue.Upload((nint)(address + ((long)first * rowBytes)), rows.AsSpan(0, count * rowBytes));
        }
    }

    private static void Generate(CudaQueue queue, GeneratedWeights weights, WeightFormat format, nint address, long blocks)
    {
        const int Threads = 256, NumbersOfThread = 8;
        long threads = WeightFormats.IsQuantized(format) ? blocks : (blocks + NumbersOfThread - 1) / NumbersOfThread;
        queue.Launch("kv_random_" + WeightFormats.Name(format), new Driver.CudaGrid(checked((int)((threads + Threads - 1) / Threads))), Threads, 0, new RandomArguments
        {
            Target = address,
            Seed = weights.Seed,
            First = weights.FirstBlock,
            Count = blocks,
            Unit = weights.Unit,
            Scales = WeightFormats.IsQuantized(format) ? weights.Scales(format) : 0,
        });
    }

    /// <summary>Where a part is: rows one after another, of <paramref name="RowBytes"/> bytes each.</summary>
    internal readonly record struct Part(nint Address, WeightFormat Format, int Rows, long RowBytes);
}
