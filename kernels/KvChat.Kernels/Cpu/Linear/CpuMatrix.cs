using KvChat.Kernels.Quantization;

namespace KvChat.Kernels.Cpu;

/// <summary>What workers need of a part of a matrix: plain data in native memory, so that work items hold pointers only.</summary>
internal unsafe struct MatrixPart
{
    /// <summary>First panel.</summary>
    public byte* Panels;

    /// <summary>Bytes of a panel.</summary>
    public long PanelBytes;

    /// <summary>Number of panels.</summary>
    public int PanelCount;

    /// <summary>Rows of the part; the last panel may have fewer than 16.</summary>
    public int Rows;

    /// <summary>First output of the part.</summary>
    public int FirstRow;

    /// <summary>Activations that the tiles read.</summary>
    public ActivationForm Form;

    public delegate*<byte*, int, byte*, float*, void> Tile1;

    public delegate*<byte*, int, byte*, float*, void> Tile4;

    public delegate*<byte*, int, byte*, float*, void> Tile8;

    public delegate*<byte*, int, int, float*, void> DecodeRow;
}

/// <summary>Weights repacked into panels of 16 rows; every part starts a panel of its own.</summary>
internal sealed unsafe class CpuMatrix : DeviceMatrix
{
    private readonly NativeBuffer _memory;
    private readonly NativeBuffer _parts;

    private CpuMatrix(int rows, int columns, int[] partRows, NativeBuffer memory, NativeBuffer parts)
        : base(rows, columns, partRows)
    {
        _memory = memory;
        _parts = parts;
    }

    /// <inheritdoc/>
    public override long Bytes => _memory.Bytes;

    /// <summary>The parts, <see cref="PartCount"/> of them.</summary>
    public MatrixPart* Parts => (MatrixPart*)_parts.Data;

    /// <summary>Number of parts.</summary>
    public int PartCount => PartRows.Count;

    /// <summary>Lays out and repacks, on all workers.</summary>
    public static CpuMatrix Load(ReadOnlySpan<MatrixData> data, WorkerTeam team, int width, bool float32)
    {
        CheckShapes(data);
        int[] partRows = new int[data.Length];
        NativeBuffer parts = new((long)data.Length * sizeof(MatrixPart));
        long bytes = 0;
        int rows = 0;
        PanelKernels[] kernels = new PanelKernels[data.Length];
        for (int i = 0; i < data.Length; i++)
        {
            kernels[i] = PanelKernels.Of(data[i].Format, width, float32);
            partRows[i] = data[i].Rows;
            ref MatrixPart part = ref ((MatrixPart*)parts.Data)[i];
            Describe(data[i], kernels[i], rows, ref part);
            rows = checked(rows + data[i].Rows);
            bytes = checked(bytes + PartBytes(part));
        }

        CpuMatrix matrix = new(rows, data[0].Columns, partRows, new NativeBuffer(bytes), parts);
        byte* at = matrix._memory.Data;
        for (int i = 0; i < data.Length; i++)
        {
            ref MatrixPart part = ref matrix.Parts[i];
            part.Panels = at;
            at += PartBytes(part);
            using HostWeights weights = new(data[i]);
            Repacking.Run(team, weights.Data, i, part, kernels[i].PackRow);
        }

        return matrix;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _memory.Dispose();
        _parts.Dispose();
    }

    /// <summary>The matrix as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CpuMatrix From(DeviceMatrix matrix, string name) => matrix as CpuMatrix
        ?? throw new ArgumentException($"A {matrix?.GetType().Name ?? "null"} is no matrix of the CPU back end.", name);

    // Parts start at multiples of 64 bytes.
    private static long PartBytes(in MatrixPart part) =>
        checked(((part.PanelBytes * part.PanelCount) + NativeBuffer.Alignment - 1) / NativeBuffer.Alignment * NativeBuffer.Alignment);

    private static void Describe(in MatrixData data, PanelKernels kernels, int firstRow, ref MatrixPart part)
    {
        part.PanelBytes = kernels.PanelBytes(data.Columns);
        part.PanelCount = (data.Rows + PanelShape.Rows - 1) / PanelShape.Rows;
        part.Rows = data.Rows;
        part.FirstRow = firstRow;
        part.Form = kernels.Form;
        part.Tile1 = kernels.Tile1;
        part.Tile4 = kernels.Tile4;
        part.Tile8 = kernels.Tile8;
        part.DecodeRow = kernels.DecodeRow;
    }

    /// <summary>Checks parts that shall become one matrix.</summary>
    /// <exception cref="ArgumentException">They do not fit each other, or their format.</exception>
    internal static void CheckShapes(ReadOnlySpan<MatrixData> data)
    {
        if (data.Length == 0)
            throw new ArgumentException("A matrix has at least one part.", nameof(data));
        for (int i = 0; i < data.Length; i++)
        {
            if (data[i].Rows <= 0 || data[i].Columns <= 0 || (data[i].Data == null && data[i].Generated is null))
                throw new ArgumentException($"Part {i} has {data[i].Rows} rows and {data[i].Columns} columns at {(nint)data[i].Data}; all must be positive.", nameof(data));
            if (data[i].Columns != data[0].Columns)
                throw new ArgumentException($"Part {i} has {data[i].Columns} columns, part 0 has {data[0].Columns}.", nameof(data));
            int block = WeightFormats.BlockSize(data[i].Format);
            if (data[i].Columns % block != 0)
                throw new ArgumentException($"Part {i} has {data[i].Columns} columns; {WeightFormats.Name(data[i].Format)} needs a multiple of {block}.", nameof(data));
            int paired = data[i].PairedHeadDim;
            if (paired < 0 || paired % 2 != 0 || (paired != 0 && data[i].Rows % paired != 0))
                throw new ArgumentException($"Part {i} has {data[i].Rows} rows and paired heads of {paired}; heads must be even and fill the rows.", nameof(data));
        }
    }
}
