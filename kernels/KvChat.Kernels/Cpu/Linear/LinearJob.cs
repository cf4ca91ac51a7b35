using System.Runtime.CompilerServices;

namespace KvChat.Kernels.Cpu;

/// <summary>One linear operation as workers see it: pointers and sizes only.</summary>
/// <remarks>
/// Rows are cut into tiles of 8 (4 where registers are few), the rest into 4 or 1, with columns of zeros for what is missing. Which tile a
/// row falls into changes nothing: its sums are chains of their own.
/// </remarks>
internal unsafe struct LinearJob
{
    /// <summary>Rows that are multiplied with a panel before the next panel is fetched.</summary>
    public const int RowBlock = 64;

    /// <summary>Up to so many rows every worker packs for itself, which costs less than waiting for one that does it for all.</summary>
    public const int PackedByAll = 4;

    /// <summary>Number of <see cref="ActivationForm"/>s.</summary>
    public const int Forms = 4;

    public RowKernels Kernels;
    public float* Input;
    public int Rows;
    public int Columns;
    public float* Norm;
    public float NormEpsilon;
    public MatrixPart* Parts;
    public int PartCount;
    public float* Bias;
    public float* Output;
    public int OutputColumns;
    public LinearEpilogue Epilogue;
    public float Scale;

    /// <summary>0, or the cap of stored numbers.</summary>
    public float SoftCap;
    public int WidestTile;
    public int PanelCount;
    public int PanelsPerChunk;

    /// <summary>Bit f is set where a part reads form f.</summary>
    public int FormMask;

    /// <summary>Where a form starts in packed activations.</summary>
    public fixed long FormOffset[Forms];

    /// <summary>Packed activations of all rows, or null where every worker packs for itself.</summary>
    public byte* Packed;

    /// <summary>Scratch memory of worker w starts at <c>w * ScratchBytes</c>.</summary>
    public byte* Scratch;

    /// <summary>Bytes of a worker's scratch memory: a normalised row, then packed activations where <see cref="Packed"/> is null.</summary>
    public long ScratchBytes;

    public int* Chunks;

    public readonly bool IsGated => Epilogue is LinearEpilogue.GatedSilu or LinearEpilogue.GatedGelu;

    /// <summary>Bytes of a normalised row in scratch memory.</summary>
    public static long RowScratchBytes(int columns) => (((long)columns * sizeof(float)) + NativeBuffer.Alignment - 1) / NativeBuffer.Alignment * NativeBuffer.Alignment;

    /// <summary>The tile that <paramref name="rows"/> remaining rows start with: 8, 4 or 1.</summary>
    public static int TileWidth(int rows, int widest) => rows == 1 ? 1 : rows > 4 ? widest : 4;

    /// <summary>Work of the first phase: packs tile after tile.</summary>
    public static void PackRows(void* state, int worker)
    {
        LinearJob* job = (LinearJob*)state;
        float* scratch = (float*)(job->Scratch + (worker * job->ScratchBytes));
        int tiles = (job->Rows + job->WidestTile - 1) / job->WidestTile;
        for (int tile = WorkerTeam.TakeChunk(job->Chunks); tile < tiles; tile = WorkerTeam.TakeChunk(job->Chunks))
        {
            PackTile(job, tile * job->WidestTile, job->Packed, scratch);
        }
    }

    /// <summary>Work of the second phase: multiplies groups of panels with blocks of rows.</summary>
    [SkipLocalsInit]
    public static void Multiply(void* state, int worker)
    {
        LinearJob* job = (LinearJob*)state;
        float* sums = stackalloc float[2 * 8 * PanelShape.Rows];
        byte* packed = job->Packed;
        if (packed == null)
        {
            byte* scratch = job->Scratch + (worker * job->ScratchBytes);
            packed = scratch + RowScratchBytes(job->Columns);
            PackTile(job, 0, packed, (float*)scratch);
        }

        int rowBlocks = (job->Rows + RowBlock - 1) / RowBlock;
        int chunks = (job->PanelCount + job->PanelsPerChunk - 1) / job->PanelsPerChunk * rowBlocks;
        for (int chunk = WorkerTeam.TakeChunk(job->Chunks); chunk < chunks; chunk = WorkerTeam.TakeChunk(job->Chunks))
        {
            int firstRow = chunk % rowBlocks * RowBlock;
            int first = chunk / rowBlocks * job->PanelsPerChunk;
            int end = Math.Min(first + job->PanelsPerChunk, job->PanelCount);
            for (int panel = first; panel < end; panel++)
            {
                MultiplyPanel(job, panel, firstRow, packed, sums);
            }
        }
    }

    private static void PackTile(LinearJob* job, int firstRow, byte* packed, float* scratch)
    {
        int rows = Math.Min(job->Rows - firstRow, job->WidestTile);
        int width = TileWidth(rows, job->WidestTile);
        for (int form = 0; form < Forms; form++)
        {
            if ((job->FormMask & (1 << form)) != 0 && rows < width)
                Tile(job, packed, (ActivationForm)form, firstRow, width).Clear();
        }

        for (int i = 0; i < rows; i++)
        {
            float* row = job->Input + ((long)(firstRow + i) * job->Columns);
            if (job->Norm != null)
            {
                job->Kernels.Normalize(row, job->Norm, job->NormEpsilon, job->Columns, scratch);
                row = scratch;
            }

            for (int form = 0; form < Forms; form++)
            {
                if ((job->FormMask & (1 << form)) != 0)
                    job->Kernels.Pack(row, job->Columns, (ActivationForm)form, TileAt(job, packed, (ActivationForm)form, firstRow), width, i);
            }
        }
    }

    private static byte* TileAt(LinearJob* job, byte* packed, ActivationForm form, int firstRow) =>
        packed + job->FormOffset[(int)form] + ((long)firstRow * ActivationShape.RowBytes(form, job->Columns));

    private static Span<byte> Tile(LinearJob* job, byte* packed, ActivationForm form, int firstRow, int width) =>
        new(TileAt(job, packed, form, firstRow), width * ActivationShape.RowBytes(form, job->Columns));

    private static void MultiplyPanel(LinearJob* job, int panel, int firstRow, byte* packed, float* sums)
    {
        MatrixPart* part = job->Parts;
        while (panel >= part->PanelCount)
        {
            panel -= part->PanelCount;
            part++;
        }

        int end = Math.Min(firstRow + RowBlock, job->Rows);
        for (int row = firstRow; row < end;)
        {
            int width = TileWidth(Math.Min(end - row, job->WidestTile), job->WidestTile);
            int rows = Math.Min(width, end - row);
            MultiplyTile(job, part, panel, row, width, packed, sums);
            if (job->IsGated)
            {
                float* up = sums + (8 * PanelShape.Rows);
                MultiplyTile(job, part + 1, panel, row, width, packed, up);
                Gate(job, part, panel, row, rows, sums, up);
            }
            else
            {
                Store(job, part, panel, row, rows, sums);
            }

            row += rows;
        }
    }

    private static void MultiplyTile(LinearJob* job, MatrixPart* part, int panel, int row, int width, byte* packed, float* sums)
    {
        byte* weights = part->Panels + (panel * part->PanelBytes);
        byte* activations = TileAt(job, packed, part->Form, row);
        if (width == 8)
            part->Tile8(weights, job->Columns, activations, sums);
        else if (width == 4)
            part->Tile4(weights, job->Columns, activations, sums);
        else
            part->Tile1(weights, job->Columns, activations, sums);
    }

    [SkipLocalsInit]
    private static void Store(LinearJob* job, MatrixPart* part, int panel, int row, int rows, float* sums)
    {
        int lane = panel * PanelShape.Rows;
        int count = Math.Min(PanelShape.Rows, part->Rows - lane);
        float* bias = job->Bias == null ? null : job->Bias + part->FirstRow + lane;
        float* output = job->Output + ((long)row * job->OutputColumns) + part->FirstRow + lane;
        bool add = job->Epilogue == LinearEpilogue.Add;
        float* edge = stackalloc float[2 * PanelShape.Rows];
        bias = Whole(bias, count, edge);
        for (int i = 0; i < rows; i++, output += job->OutputColumns, sums += PanelShape.Rows)
        {
            float* target = Whole(output, count, edge + PanelShape.Rows);
            job->Kernels.Store(sums, bias, job->Scale, add, target);
            if (job->SoftCap > 0)
                job->Kernels.Cap(target, job->SoftCap);
            if (target != output)
                Copy(target, output, count);
        }
    }

    [SkipLocalsInit]
    private static void Gate(LinearJob* job, MatrixPart* part, int panel, int row, int rows, float* gate, float* up)
    {
        int lane = panel * PanelShape.Rows;
        int count = Math.Min(PanelShape.Rows, part->Rows - lane);
        float* edge = stackalloc float[3 * PanelShape.Rows];
        float* gateBias = Whole(job->Bias == null ? null : job->Bias + lane, count, edge);
        float* upBias = Whole(job->Bias == null ? null : job->Bias + part->Rows + lane, count, edge + PanelShape.Rows);
        float* output = job->Output + ((long)row * job->OutputColumns) + lane;
        bool gelu = job->Epilogue == LinearEpilogue.GatedGelu;
        for (int i = 0; i < rows; i++, output += job->OutputColumns, gate += PanelShape.Rows, up += PanelShape.Rows)
        {
            float* target = Whole(output, count, edge + (2 * PanelShape.Rows));
            job->Kernels.Gate(gate, gateBias, up, upBias, gelu, target);
            if (target != output)
                Copy(target, output, count);
        }
    }

    // The last panel may have fewer rows than a vector: its numbers pass through 16 of their own.
    private static float* Whole(float* numbers, int count, float* edge)
    {
        if (numbers == null || count == PanelShape.Rows)
            return numbers;
        Copy(numbers, edge, count);
        new Span<float>(edge + count, PanelShape.Rows - count).Clear();
        return edge;
    }

    private static void Copy(float* source, float* target, int count)
    {
        for (int i = 0; i < count; i++)
        {
            target[i] = source[i];
        }
    }
}
