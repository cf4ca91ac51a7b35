namespace KvChat.Kernels.Cuda;

/// <summary>Which kernel a sequence's attention runs on. Pages of codes are read by those for halves and for brains alike.</summary>
internal enum AttendKind
{
    /// <summary>A warp per query, in single precision.</summary>
    Plain,

    /// <summary>Tensor cores on halves, few queries: each warp has KVs of its own.</summary>
    NarrowHalf,

    /// <summary>Tensor cores on halves, many queries: each warp has queries of its own.</summary>
    WideHalf,

    /// <summary><see cref="NarrowHalf"/> for pages in BF16.</summary>
    NarrowBrain,

    /// <summary><see cref="WideHalf"/> for pages in BF16.</summary>
    WideBrain,
}

/// <summary>A kernel and the sizes of its blocks.</summary>
internal readonly record struct AttendKernel(string Name, int Threads, int SharedBytes);

/// <summary>A kernel that makes scores, and how many KVs an item of it has.</summary>
internal readonly record struct ScoreKernel(string Name, int Threads, int SharedBytes, int Run);

/// <summary>Chooses kernels for heads of one length on one device.</summary>
internal sealed class AttendKernels
{
    private const int Tile = 32, QueriesOfWarp = 16, TableBytes = Tile * 40;

    private const int TilesOfWarp = 2, PlainRun = 64;

    private readonly AttendKernel[] _kernels = new AttendKernel[5];
    private readonly ScoreKernel[] _scores = new ScoreKernel[5];
    private readonly int _largestShared;

    /// <summary>Kernels for heads of <paramref name="headDim"/> numbers, 1 to 256, on a device that gives a block so many bytes of shared memory.</summary>
    public AttendKernels(int headDim, int largestSharedBytes)
    {
        HeadDim = headDim;
        _largestShared = largestSharedBytes;
        int padded = headDim <= 32 ? 32 : headDim <= 64 ? 64 : headDim <= 96 ? 96 : headDim <= 128 ? 128 : 256;
        Warps = padded > 128 ? 2 : 4;
        int row = (padded % 64 == 0 ? padded : padded + 8) * sizeof(ushort), tiles = 2 * ((Tile * row) + TableBytes);
        int state = QueriesOfWarp * ((padded * sizeof(float)) + (2 * sizeof(float)));
        _kernels[(int)AttendKind.Plain] = new AttendKernel("kv_attend_plain", 128, 0);
        _scores[(int)AttendKind.Plain] = new ScoreKernel("kv_observe", PlainRun, PlainRun * (headDim + 1) * sizeof(float), PlainRun);
        foreach (bool brain in (ReadOnlySpan<bool>)[false, true])
        {
            int queries = QueriesOfWarp * (((brain ? 3 : 2) * row) + (2 * sizeof(float)));
            string format = brain ? "bf16" : "f16";
            _kernels[(int)(brain ? AttendKind.NarrowBrain : AttendKind.NarrowHalf)] =
                new AttendKernel($"kv_attend_narrow_{format}_d{padded}", 32 * Warps, (Warps * tiles) + queries + state);
            _kernels[(int)(brain ? AttendKind.WideBrain : AttendKind.WideHalf)] =
                new AttendKernel($"kv_attend_wide_{format}_d{padded}", 32 * Warps, tiles + (Warps * (queries + state)));
            int turned = QueriesOfWarp * (Tile + 1) * sizeof(float);
            ScoreKernel score = new($"kv_observe_{format}_d{padded}", 32 * Warps, (Warps * (tiles + turned)) + queries, Warps * TilesOfWarp * Tile);
            _scores[(int)(brain ? AttendKind.NarrowBrain : AttendKind.NarrowHalf)] = score;
            _scores[(int)(brain ? AttendKind.WideBrain : AttendKind.WideHalf)] = score;
        }
    }

    /// <summary>All kinds.</summary>
    public static ReadOnlySpan<AttendKind> Kinds => [AttendKind.Plain, AttendKind.NarrowHalf, AttendKind.WideHalf, AttendKind.NarrowBrain, AttendKind.WideBrain];

    /// <summary>Numbers of a head.</summary>
    public int HeadDim { get; }

    /// <summary>Warps of a block of the kernels on tensor cores.</summary>
    public int Warps { get; }

    /// <summary>The kernel of a kind.</summary>
    public AttendKernel this[AttendKind kind] => _kernels[(int)kind];

    /// <summary>The kind for a sequence's rows: singles are too exact for tensor cores, and some devices have too little shared memory for long heads.</summary>
    public AttendKind KindOf(in SequenceSlice slice, int group)
    {
        if (slice.Format == KvFormat.F32)
            return AttendKind.Plain;
        bool brain = slice.Format == KvFormat.BF16, narrow = (long)slice.RowCount * group <= QueriesOfWarp;
        AttendKind kind = narrow ? brain ? AttendKind.NarrowBrain : AttendKind.NarrowHalf : brain ? AttendKind.WideBrain : AttendKind.WideHalf;

        // Rows must not depend on what comes with them, so all forms are used or none.
        int needed = Math.Max(
            this[brain ? AttendKind.NarrowBrain : AttendKind.NarrowHalf].SharedBytes,
            this[brain ? AttendKind.WideBrain : AttendKind.WideHalf].SharedBytes);
        return Math.Max(needed, ScoreOf(kind).SharedBytes) <= _largestShared ? kind : AttendKind.Plain;
    }

    /// <summary>What makes the scores of sequences whose attention is of a kind.</summary>
    public ScoreKernel ScoreOf(AttendKind kind) => _scores[(int)kind];

    /// <summary>Queries of an item.</summary>
    public int QueriesOf(AttendKind kind) => kind is AttendKind.WideHalf or AttendKind.WideBrain ? Warps * QueriesOfWarp : QueriesOfWarp;

    /// <summary>Whether an item of several segments must leave records: its warps share the state of one segment.</summary>
    public static bool NeedsRecords(AttendKind kind) => kind is AttendKind.NarrowHalf or AttendKind.NarrowBrain;
}
