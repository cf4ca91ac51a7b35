using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <summary>All pages in one piece of device memory. Moves are gathered and done before anything else looks at the pages.</summary>
internal sealed partial class CudaArena : KvArena
{
    // Of compaction.cu: KVs of a block, and what a record of bytes has behind key and value.
    private const int BlockKvs = 4, BlockThreads = 128, TailBytes = 32;

    // Position, score and log-weight of a staged KV, before its key and value.
    private const int StagedHeader = 4;

    // Records are written and read at once: no more of them than the device's caches have room for, so that no launch takes long either.
    private const int RecordBytes = 16 << 20;

    private readonly CudaQueue _queue;
    private readonly CudaScratch _lists, _records, _staging;
    private readonly MoveList _moves;
    private readonly ArenaArguments _arguments;
    private readonly CudaEviction _eviction;
    private readonly PageCopies _copies;
    private int[] _table = [];
    private nint _address;
    private int _staged;

    /// <summary>Takes the memory.</summary>
    /// <exception cref="ArgumentException">The shape has no layout; the message says which field is wrong.</exception>
    /// <exception cref="CudaOutOfMemoryException">The device has not so much memory.</exception>
    public CudaArena(CudaQueue queue, in KvArenaShape shape)
        : base(Check(shape))
    {
        _queue = queue;
        long bytes = shape.PageCount * ArenaArguments.StrideOf(shape);
        _address = queue.Allocate(bytes, $"a pool of {shape.PageCount} pages");
        queue.Clear(_address, bytes);
        _arguments = ArenaArguments.Of(shape, _address);
        _lists = new CudaScratch(queue);
        _records = new CudaScratch(queue);
        _staging = new CudaScratch(queue);
        _moves = new MoveList(shape.PageCount);
        _eviction = new CudaEviction(queue, this);
        _copies = new PageCopies(shape.PageCount);
    }

    /// <summary>Device address of the first page, for work that is launched before the next call of this arena.</summary>
    /// <exception cref="ObjectDisposedException">The arena has been disposed of.</exception>
    public nint Address
    {
        get
        {
            FlushMoves();
            return Start;
        }
    }

    /// <inheritdoc/>
    public override IKvEvictor Evictor => _eviction;

    private nint Start => _address != 0 ? _address : throw new ObjectDisposedException(nameof(CudaArena));

    private long Stride => _arguments.Stride;

    /// <summary>The arena as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CudaArena From(KvArena arena) => arena as CudaArena
        ?? throw new ArgumentException($"A {arena?.GetType().Name ?? "null"} is no arena of the CUDA back end.", nameof(arena));

    /// <inheritdoc/>
    public override void Move(KvFormat format, ReadOnlySpan<KvMove> moves)
    {
        _ = Start;
        int slots = PageTokens(format);
        foreach (KvMove move in moves)
        {
            CheckSlot(move.SourcePage, move.SourceSlot, slots);
            CheckSlot(move.TargetPage, move.TargetSlot, slots);
        }

        FlushCopies();
        foreach (KvMove move in moves)
        {
            if (_moves.Count > 0 && _moves.Format != format)
                FlushMoves();
            if (_moves.Count == 0)
                _moves.Start(format, slots, Math.Max(1, RecordBytes / MoveRecordBytes(format)));
            if (_moves.TryAdd(move))
                continue;
            FlushMoves();
            _moves.Start(format, slots, Math.Max(1, RecordBytes / MoveRecordBytes(format)));
            _moves.TryAdd(move);
        }
    }

    /// <inheritdoc/>
    public override void Stage(KvFormat format, ReadOnlySpan<KvSlot> sources)
    {
        FlushMoves();
        _ = Start;
        foreach (KvSlot source in sources)
            CheckSlot(source.Page, source.Slot, PageTokens(format));
        if (sources.IsEmpty)
            return;
        int size = StagedBytes;
        GrowStaging((long)_staged * size, ((long)_staged + sources.Length) * size);
        LaunchKvs("kv_stage", format, MemoryMarshal.AsBytes(sources), sources.Length, _staging.Address + (nint)((long)_staged * size), size);
        _staged += sources.Length;
    }

    /// <inheritdoc/>
    public override void Unstage(KvFormat format, ReadOnlySpan<KvSlot> targets)
    {
        FlushMoves();
        _ = Start;
        CheckLength(targets.Length, _staged, nameof(targets));
        foreach (KvSlot target in targets)
            CheckSlot(target.Page, target.Slot, PageTokens(format));
        if (!targets.IsEmpty)
            LaunchKvs("kv_unstage", format, MemoryMarshal.AsBytes(targets), targets.Length, _staging.Address, StagedBytes);
        _staged = 0;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_address == 0)
            return;
        _eviction.Dispose();
        _lists.Dispose();
        _records.Dispose();
        _staging.Dispose();
        _queue.Free(_address);
        _address = 0;
    }

    /// <summary>Moves the KVs of a list on the device, as <see cref="KvMove"/>: no move reads what an earlier one writes.</summary>
    internal void MoveListed(KvFormat format, nint list, int count)
    {
        int record = MoveRecordBytes(format), most = Math.Max(1, RecordBytes / record), size = Unsafe.SizeOf<KvMove>();
        for (int first = 0; first < count; first += most)
        {
            int part = Math.Min(most, count - first);
            KvListArguments arguments = ListOf(format, part, list + (nint)((long)first * size), size / sizeof(int), _records.Ensure((long)part * record), record);
            CudaGrid grid = new((part + BlockKvs - 1) / BlockKvs);
            _queue.Launch("kv_gather", grid, BlockThreads, 0, arguments);
            arguments.Slots += Unsafe.SizeOf<KvSlot>();
            _queue.Launch("kv_scatter", grid, BlockThreads, 0, arguments);
        }
    }

    /// <summary>A page's id, when the arena has it.</summary>
    internal int Checked(int page)
    {
        CheckPage(page);
        return page;
    }

    private static KvArenaShape Check(in KvArenaShape shape)
    {
        if (shape.HeadDim is <= 0 or > CudaAttention.LargestHeadDim || shape.HeadDim % 8 != 0)
            throw new ArgumentException($"{nameof(KvArenaShape.HeadDim)} is {shape.HeadDim}; on CUDA it must be a multiple of 8 between 8 and {CudaAttention.LargestHeadDim}.", nameof(shape));
        if (shape.PageTokens is not (16 or 32))
            throw new ArgumentException($"{nameof(KvArenaShape.PageTokens)} is {shape.PageTokens}; it must be 16 or 32.", nameof(shape));
        if (shape.PageCount <= 0)
            throw new ArgumentException($"{nameof(KvArenaShape.PageCount)} is {shape.PageCount}; it must be positive.", nameof(shape));
        return shape;
    }

    private static void CheckLength(long length, long expected, string name)
    {
        if (length != expected)
            throw new ArgumentException($"{name} has {length} elements, not {expected}.", name);
    }

    private int StagedBytes => ((2 * Shape.HeadDim) + StagedHeader) * sizeof(float);

    private int MoveRecordBytes(KvFormat format)
    {
        PageLayoutArguments layout = PageLayoutArguments.Of(Shape, format);
        return ((layout.KeyBytes + 15) & ~15) + ((layout.ValueBytes + 15) & ~15) + TailBytes;
    }

    // What was asked for before comes first: copies that wait, or moves; there are never both.
    private void FlushMoves()
    {
        FlushCopies();
        if (_moves.Count == 0)
            return;
        nint lists = _lists.Ensure(_moves.Bytes.Length);
        _queue.Upload(lists, _moves.Bytes);
        MoveListed(_moves.Format, lists, _moves.Count);
        _moves.Clear();
    }

    private void LaunchKvs(string kernel, KvFormat format, ReadOnlySpan<byte> slots, int count, nint records, int recordBytes)
    {
        nint lists = _lists.Ensure(slots.Length);
        _queue.Upload(lists, slots);
        int most = Math.Max(1, RecordBytes / recordBytes), stride = Unsafe.SizeOf<KvSlot>();
        for (int first = 0; first < count; first += most)
        {
            int part = Math.Min(most, count - first);
            nint firstRecord = records + (nint)((long)first * recordBytes);
            _queue.Launch(kernel, new CudaGrid((part + BlockKvs - 1) / BlockKvs), BlockThreads, 0, ListOf(format, part, lists + (first * stride), stride / sizeof(int), firstRecord, recordBytes));
        }
    }

    private KvListArguments ListOf(KvFormat format, int count, nint slots, int stride, nint records, int recordBytes) => new()
    {
        Arena = _arguments,
        Slots = slots,
        Records = records,
        Format = (int)format,
        Count = count,
        Stride = stride,
        RecordBytes = recordBytes,
    };

    // What is staged already stays where the room grows.
    private void GrowStaging(long used, long needed)
    {
        if (used == 0 || needed <= _staging.Capacity)
        {
            _staging.Ensure(needed);
            return;
        }

        nint saved = _queue.Allocate(used, "staged KVs");
        _queue.Copy(_staging.Address, saved, used);
        nint grown = _staging.Ensure(needed);
        _queue.Copy(saved, grown, used);
        _queue.Free(saved);
    }
}
