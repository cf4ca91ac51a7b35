using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Cpu;

/// <summary>All pages in one piece of native memory, aligned to cache lines. The system gives pages their memory when they are first written.</summary>
internal sealed unsafe class CpuArena : KvArena
{
    private const int Alignment = 64;

    // Position, score and log-weight of a staged KV, before its key and value.
    private const int StagedHeader = 4;

    private void* _allocation;
    private readonly PageView _view;
    private readonly long _bytes;
    private readonly GrowingBuffer _staging = new();
    private int _staged;

    /// <summary>Reserves the memory.</summary>
    /// <exception cref="ArgumentException">The shape has no layout; the message says which field is wrong.</exception>
    /// <exception cref="OutOfMemoryException">The machine has not so much memory.</exception>
    public CpuArena(in KvArenaShape shape)
        : base(Check(shape))
    {
        KvFormat[] formats = Enum.GetValues<KvFormat>();
        long tables = ((formats.Length * sizeof(PageLayout)) + Alignment) / Alignment * Alignment;

        // Behind the last page kernels may read a register's worth of bytes, which they do not use.
        _bytes = tables + ((long)shape.PageCount * PageImageBytes) + (3 * Alignment);
        _allocation = Reserve(_bytes, shape);
        byte* start = (byte*)(((nuint)_allocation + Alignment - 1) & ~(nuint)(Alignment - 1));
        PageLayout* layouts = (PageLayout*)start;
        foreach (KvFormat format in formats)
            layouts[(int)format] = new PageLayout(format, shape);
        _view = new PageView(start + tables, layouts, shape);
        GC.AddMemoryPressure(_bytes);
    }

    ~CpuArena() => Free();

    /// <summary>Where things are.</summary>
    /// <exception cref="ObjectDisposedException">The arena has been disposed of.</exception>
    public PageView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_allocation == null, this);
            return _view;
        }
    }

    /// <summary>The arena as this back end's own.</summary>
    /// <exception cref="ArgumentException">It belongs to another back end.</exception>
    public static CpuArena From(KvArena arena) => arena as CpuArena
        ?? throw new ArgumentException($"A {arena?.GetType().Name ?? "null"} is no arena of the CPU back end.", nameof(arena));

    /// <inheritdoc/>
    public override void Move(KvFormat format, ReadOnlySpan<KvMove> moves)
    {
        PageView view = View;
        PageLayout* layout = view.Layout(format);
        for (int i = 0; i < moves.Length;)
        {
            KvMove move = moves[i];
            int count = PageMoves.Run(moves[i..]);
            CheckSlot(move.SourcePage, move.SourceSlot, layout->Slots);
            CheckSlot(move.TargetPage, move.TargetSlot, layout->Slots);
            CheckSlot(move.SourcePage, move.SourceSlot + count - 1, layout->Slots);
            CheckSlot(move.TargetPage, move.TargetSlot + count - 1, layout->Slots);
            PageMoves.Move(layout, view.Page(move.SourcePage), move.SourceSlot, view.Page(move.TargetPage), move.TargetSlot, count, Shape.PageTokens, Shape.LogWeights);
            i += count;
        }
    }

    /// <inheritdoc/>
    public override void Stage(KvFormat format, ReadOnlySpan<KvSlot> sources)
    {
        PageView view = View;
        PageLayout* layout = view.Layout(format);
        foreach (KvSlot source in sources)
            CheckSlot(source.Page, source.Slot, layout->Slots);
        int size = (2 * Shape.HeadDim) + StagedHeader;
        float* target = (float*)_staging.Ensure((_staged + (long)sources.Length) * size * sizeof(float)) + ((long)_staged * size);
        foreach (KvSlot source in sources)
        {
            byte* page = view.Page(source.Page);
            *(int*)target = ((int*)(page + layout->Positions))[source.Slot];
            target[1] = ((float*)(page + layout->Scores))[source.Slot];
            target[2] = Shape.LogWeights ? ((float*)(page + layout->LogWeights))[source.Slot] : 0;
            KvCodec.LoadKey(layout, page, source.Slot, Shape.PageTokens, target + StagedHeader);
            KvCodec.LoadValue(layout, page, source.Slot, target + StagedHeader + Shape.HeadDim);
            target += size;
        }

        _staged += sources.Length;
    }

    /// <inheritdoc/>
    public override void Unstage(KvFormat format, ReadOnlySpan<KvSlot> targets)
    {
        PageView view = View;
        PageLayout* layout = view.Layout(format);
        CheckLength(targets.Length, _staged, nameof(targets));
        foreach (KvSlot target in targets)
            CheckSlot(target.Page, target.Slot, layout->Slots);
        int* codes = stackalloc int[Shape.HeadDim];
        float* source = (float*)_staging.Data;
        foreach (KvSlot target in targets)
        {
            byte* page = view.Page(target.Page);
            AppendStore.Store(layout, page, target.Slot, Shape.PageTokens, source + StagedHeader, source + StagedHeader + Shape.HeadDim, codes);
            AppendStore.Note(layout, page, target.Slot, *(int*)source, source[1], source[2], Shape.LogWeights);
            source += (2 * Shape.HeadDim) + StagedHeader;
        }

        _staged = 0;
    }

    /// <inheritdoc/>
    public override void CopyPage(int source, int target)
    {
        PageView view = View;
        CheckPage(source);
        CheckPage(target);
        Buffer.MemoryCopy(view.Page(source), view.Page(target), PageImageBytes, PageImageBytes);
    }

    /// <inheritdoc/>
    public override void ReadPages(ReadOnlySpan<int> pages, Span<byte> images)
    {
        PageView view = View;
        CheckImages(pages, images.Length, nameof(images));
        for (int i = 0; i < pages.Length; i++)
            new ReadOnlySpan<byte>(view.Page(pages[i]), PageImageBytes).CopyTo(images[(i * PageImageBytes)..]);
    }

    /// <inheritdoc/>
    public override void WritePages(ReadOnlySpan<int> pages, ReadOnlySpan<byte> images)
    {
        PageView view = View;
        CheckImages(pages, images.Length, nameof(images));
        for (int i = 0; i < pages.Length; i++)
            images.Slice(i * PageImageBytes, PageImageBytes).CopyTo(new Span<byte>(view.Page(pages[i]), PageImageBytes));
    }

    /// <inheritdoc/>
    public override void ReadPositions(HeadView head, KvFormat format, Span<int> positions)
    {
        PageView view = View;
        CheckLength(positions.Length, head.Length, nameof(positions));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            new ReadOnlySpan<int>(view.Page(page) + view.Layout(format)->Positions, count).CopyTo(positions[first..]);
    }

    /// <inheritdoc/>
    public override void ReadScores(HeadView head, KvFormat format, Span<float> scores)
    {
        PageView view = View;
        CheckLength(scores.Length, head.Length, nameof(scores));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            new ReadOnlySpan<float>(view.Page(page) + view.Layout(format)->Scores, count).CopyTo(scores[first..]);
    }

    /// <inheritdoc/>
    public override void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores)
    {
        PageView view = View;
        CheckLength(scores.Length, head.Length, nameof(scores));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            scores.Slice(first, count).CopyTo(new Span<float>(view.Page(page) + view.Layout(format)->Scores, count));
    }

    /// <inheritdoc/>
    public override void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights)
    {
        PageView view = View;
        if (!Shape.LogWeights)
            throw new InvalidOperationException($"The arena was made without log-weights; set {nameof(KvArenaShape.LogWeights)} in its shape.");
        CheckLength(logWeights.Length, head.Length, nameof(logWeights));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            logWeights.Slice(first, count).CopyTo(new Span<float>(view.Page(page) + view.Layout(format)->LogWeights, count));
    }

    /// <inheritdoc/>
    public override void ReadKeys(HeadView head, KvFormat format, Span<float> keys)
    {
        PageView view = View;
        CheckLength(keys.Length, (long)head.Length * Shape.HeadDim, nameof(keys));
        fixed (float* target = keys)
        {
            foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            {
                for (int slot = 0; slot < count; slot++)
                    KvCodec.LoadKey(view.Layout(format), view.Page(page), slot, Shape.PageTokens, target + ((long)(first + slot) * Shape.HeadDim));
            }
        }
    }

    /// <inheritdoc/>
    public override void ReadValues(HeadView head, KvFormat format, Span<float> values)
    {
        PageView view = View;
        CheckLength(values.Length, (long)head.Length * Shape.HeadDim, nameof(values));
        fixed (float* target = values)
        {
            foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            {
                for (int slot = 0; slot < count; slot++)
                    KvCodec.LoadValue(view.Layout(format), view.Page(page), slot, target + ((long)(first + slot) * Shape.HeadDim));
            }
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Free();
        _staging.Dispose();
        GC.SuppressFinalize(this);
    }

    [SuppressMessage("Usage", "CA2201:Do not raise reserved exception types", Justification = "It is what the contract names, with the size that the runtime's own leaves out.")]
    private static void* Reserve(long bytes, in KvArenaShape shape)
    {
        try
        {
            // Zeroed memory of this size comes from the system untouched; clearing it by hand would claim all of it at once.
            return NativeMemory.AllocZeroed((nuint)bytes);
        }
        catch (OutOfMemoryException inner)
        {
            throw new OutOfMemoryException($"A pool of {shape.PageCount} pages takes {bytes} bytes, which are not to be had.", inner);
        }
    }

    private static KvArenaShape Check(in KvArenaShape shape)
    {
        if (shape.HeadDim is <= 0 or > 4096 || shape.HeadDim % 8 != 0)
            throw new ArgumentException($"{nameof(KvArenaShape.HeadDim)} is {shape.HeadDim}; it must be a multiple of 8 between 8 and 4096.", nameof(shape));
        if (shape.PageTokens is not (16 or 32))
            throw new ArgumentException($"{nameof(KvArenaShape.PageTokens)} is {shape.PageTokens}; it must be 16 or 32.", nameof(shape));
        if (shape.PageCount <= 0)
            throw new ArgumentException($"{nameof(KvArenaShape.PageCount)} is {shape.PageCount}; it must be positive.", nameof(shape));
        return shape;
    }

    private void CheckImages(ReadOnlySpan<int> pages, int bytes, string name)
    {
        CheckLength(bytes, (long)pages.Length * PageImageBytes, name);
        foreach (int page in pages)
            CheckPage(page);
    }

    private static void CheckLength(long length, long expected, string name)
    {
        if (length != expected)
            throw new ArgumentException($"{name} has {length} elements, not {expected}.", name);
    }

    private void Free()
    {
        if (_allocation == null)
            return;
        NativeMemory.Free(_allocation);
        _allocation = null;
        GC.RemoveMemoryPressure(_bytes);
    }

    /// <summary>The pages of a head, each with its first KV and how many it holds.</summary>
    private ref struct PageRuns(CpuArena arena, HeadView head, KvFormat format)
    {
        private readonly int _slots = arena.PageTokens(format);
        private int _next = 0;

        public (int Page, int First, int Count) Current { get; private set; }

        public readonly PageRuns GetEnumerator() => this;

        public bool MoveNext()
        {
            int first = _next * _slots;
            if (first >= head.Length)
                return false;
            int page = head.Page(_next++);
            arena.CheckPage(page);
            Current = (page, first, Math.Min(_slots, head.Length - first));
            return true;
        }
    }
}
