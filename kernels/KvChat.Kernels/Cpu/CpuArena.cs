using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using KvChat.Kernels.Cpu.Attention;

namespace KvChat.Kernels.Cpu;

/// <summary>All pages in one piece of native memory, aligned to cache lines. The system gives pages their memory when they are first written.</summary>
internal sealed unsafe class CpuArena : KvArena
{
    private const int Alignment = 64;

    private void* _allocation;
    private readonly PageView _view;
    private readonly long _bytes;

    /// <summary>Reserves the memory.</summary>
    /// <exception cref="ArgumentException">The shape has no layout; the message says which field is wrong.</exception>
    /// <exception cref="OutOfMemoryException">The machine has not so much memory.</exception>
    public CpuArena(in KvArenaShape shape)
        : base(Check(shape))
    {
        PageMetadataBytes = PageView.MetadataSize(shape.PageTokens, shape.LogWeights);
        long data = (long)shape.PageCount * PageBytes;
        _bytes = data + ((long)shape.PageCount * PageMetadataBytes) + Alignment;
        _allocation = Reserve(_bytes, shape);
        byte* start = (byte*)(((nuint)_allocation + Alignment - 1) & ~(nuint)(Alignment - 1));
        _view = new PageView(start, start + data, shape);
        GC.AddMemoryPressure(_bytes);
    }

    ~CpuArena() => Free();

    /// <inheritdoc/>
    public override int PageMetadataBytes { get; }

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
        int slots = PageTokens(format);
        foreach (KvMove move in moves)
        {
            CheckSlot(move.SourcePage, move.SourceSlot, slots);
            CheckSlot(move.TargetPage, move.TargetSlot, slots);
            if (format == KvFormat.F32)
                MoveColumn((uint*)view.Keys(move.SourcePage) + move.SourceSlot, (uint*)view.Keys(move.TargetPage) + move.TargetSlot, slots, Shape.HeadDim);
            else
                MoveColumn((uint*)view.Keys(move.SourcePage) + move.SourceSlot, (uint*)view.Keys(move.TargetPage) + move.TargetSlot, slots, Shape.HeadDim / 2);
            int row = view.HalfPageBytes / slots;
            Buffer.MemoryCopy(view.Values(move.SourcePage) + (move.SourceSlot * row), view.Values(move.TargetPage) + (move.TargetSlot * row), row, row);
            MoveColumn((uint*)view.Metadata(move.SourcePage) + move.SourceSlot, (uint*)view.Metadata(move.TargetPage) + move.TargetSlot, Shape.PageTokens, Shape.LogWeights ? 3 : 2);
        }
    }

    /// <inheritdoc/>
    public override void CopyPage(int source, int target)
    {
        PageView view = View;
        CheckPage(source);
        CheckPage(target);
        Buffer.MemoryCopy(view.Keys(source), view.Keys(target), PageBytes, PageBytes);
        Buffer.MemoryCopy(view.Metadata(source), view.Metadata(target), PageMetadataBytes, PageMetadataBytes);
    }

    /// <inheritdoc/>
    public override void ReadPage(int page, Span<byte> image)
    {
        PageView view = View;
        CheckPage(page);
        CheckLength(image.Length, PageImageBytes, nameof(image));
        new ReadOnlySpan<byte>(view.Keys(page), PageBytes).CopyTo(image);
        new ReadOnlySpan<byte>(view.Metadata(page), PageMetadataBytes).CopyTo(image[PageBytes..]);
    }

    /// <inheritdoc/>
    public override void WritePage(int page, ReadOnlySpan<byte> image)
    {
        PageView view = View;
        CheckPage(page);
        CheckLength(image.Length, PageImageBytes, nameof(image));
        image[..PageBytes].CopyTo(new Span<byte>(view.Keys(page), PageBytes));
        image[PageBytes..].CopyTo(new Span<byte>(view.Metadata(page), PageMetadataBytes));
    }

    /// <inheritdoc/>
    public override void ReadPositions(HeadView head, KvFormat format, Span<int> positions)
    {
        PageView view = View;
        CheckLength(positions.Length, head.Length, nameof(positions));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            new ReadOnlySpan<int>(view.Positions(page), count).CopyTo(positions[first..]);
    }

    /// <inheritdoc/>
    public override void ReadScores(HeadView head, KvFormat format, Span<float> scores)
    {
        PageView view = View;
        CheckLength(scores.Length, head.Length, nameof(scores));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            new ReadOnlySpan<float>(view.Scores(page), count).CopyTo(scores[first..]);
    }

    /// <inheritdoc/>
    public override void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores)
    {
        PageView view = View;
        CheckLength(scores.Length, head.Length, nameof(scores));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            scores.Slice(first, count).CopyTo(new Span<float>(view.Scores(page), count));
    }

    /// <inheritdoc/>
    public override void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights)
    {
        PageView view = View;
        if (!Shape.LogWeights)
            throw new InvalidOperationException($"The arena was made without log-weights; set {nameof(KvArenaShape.LogWeights)} in its shape.");
        CheckLength(logWeights.Length, head.Length, nameof(logWeights));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
            logWeights.Slice(first, count).CopyTo(new Span<float>(view.LogWeights(page), count));
    }

    /// <inheritdoc/>
    public override void ReadKeys(HeadView head, KvFormat format, Span<float> keys)
    {
        PageView view = View;
        int headDim = Shape.HeadDim, slots = PageTokens(format);
        CheckLength(keys.Length, (long)head.Length * headDim, nameof(keys));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
        {
            byte* source = view.Keys(page);
            for (int slot = 0; slot < count; slot++)
            {
                Span<float> key = keys.Slice((first + slot) * headDim, headDim);
                for (int dim = 0; dim < headDim; dim++)
                    key[dim] = format == KvFormat.F32 ? ((float*)source)[(dim * slots) + slot] : HalfBits.Widen(((ushort*)source)[view.HalfKeyIndex(slot, dim)]);
            }
        }
    }

    /// <inheritdoc/>
    public override void ReadValues(HeadView head, KvFormat format, Span<float> values)
    {
        PageView view = View;
        int headDim = Shape.HeadDim;
        CheckLength(values.Length, (long)head.Length * headDim, nameof(values));
        foreach ((int page, int first, int count) in new PageRuns(this, head, format))
        {
            Span<float> target = values.Slice(first * headDim, count * headDim);
            byte* source = view.Values(page);
            for (int i = 0; i < target.Length; i++)
                target[i] = format == KvFormat.F32 ? ((float*)source)[i] : HalfBits.Widen(((ushort*)source)[i]);
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static void MoveColumn(uint* source, uint* target, int stride, int count)
    {
        for (int i = 0; i < count; i++)
            target[(long)i * stride] = source[(long)i * stride];
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

    private void CheckPage(int page)
    {
        if ((uint)page >= (uint)Shape.PageCount)
            throw new ArgumentOutOfRangeException(nameof(page), page, $"The arena has {Shape.PageCount} pages.");
    }

    private void CheckSlot(int page, int slot, int slots)
    {
        CheckPage(page);
        if ((uint)slot >= (uint)slots)
            throw new ArgumentOutOfRangeException(nameof(slot), slot, $"A page of this format has {slots} slots.");
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
            int page = head.Pages[_next++];
            arena.CheckPage(page);
            Current = (page, first, Math.Min(_slots, head.Length - first));
            return true;
        }
    }
}
