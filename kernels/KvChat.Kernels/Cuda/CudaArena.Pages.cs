using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

/// <content>Whole pages: copies, gathered like moves, and images to host memory and back, many at once.</content>
internal sealed partial class CudaArena
{
    private const int CopyThreads = 256;

    /// <inheritdoc/>
    public override void CopyPage(int source, int target)
    {
        _ = Start;
        CheckPage(source);
        CheckPage(target);
        if (source == target)
            return;
        if (_moves.Count > 0)
            FlushMoves();
        if (_copies.TryAdd(source, target))
            return;
        FlushCopies();
        _copies.TryAdd(source, target);
    }

    /// <inheritdoc/>
    public override void ReadPages(ReadOnlySpan<int> pages, Span<byte> images)
    {
        Flush(pages, images.Length, nameof(images));
        int most = PagesAtOnce, bytes = PageImageBytes;
        for (int first = 0; first < pages.Length; first += most)
        {
            ReadOnlySpan<int> part = pages.Slice(first, Math.Min(most, pages.Length - first));
            nint records = _records.Ensure((long)part.Length * Stride);
            Copy(part.Length, new CopyPagesArguments { Sources = Start, SourceIds = UploadIds(part), Targets = records });
            _queue.Download(records, images.Slice(first * bytes, part.Length * bytes));
        }
    }

    /// <inheritdoc/>
    public override void WritePages(ReadOnlySpan<int> pages, ReadOnlySpan<byte> images)
    {
        Flush(pages, images.Length, nameof(images));
        int most = PagesAtOnce, bytes = PageImageBytes;
        for (int first = 0; first < pages.Length; first += most)
        {
            ReadOnlySpan<int> part = pages.Slice(first, Math.Min(most, pages.Length - first));
            nint records = _records.Ensure((long)part.Length * Stride);
            _queue.Upload(records, images.Slice(first * bytes, part.Length * bytes));
            Copy(part.Length, new CopyPagesArguments { Sources = records, Targets = Start, TargetIds = UploadIds(part) });
        }
    }

    private int PagesAtOnce => Math.Max(1, (int)(RecordBytes / Stride));

    private void Flush(ReadOnlySpan<int> pages, int bytes, string name)
    {
        FlushMoves();
        _ = Start;
        CheckLength(bytes, (long)pages.Length * PageImageBytes, name);
        foreach (int page in pages)
            CheckPage(page);
    }

    private void FlushCopies()
    {
        if (_copies.Count == 0)
            return;
        ReadOnlySpan<byte> sources = _copies.Sources, targets = _copies.Targets;
        nint lists = _lists.Ensure(2L * sources.Length);
        _queue.Upload(lists, sources);
        _queue.Upload(lists + sources.Length, targets);
        Copy(_copies.Count, new CopyPagesArguments { Sources = Start, SourceIds = lists, Targets = Start, TargetIds = lists + sources.Length });
        _copies.Clear();
    }

    private nint UploadIds(ReadOnlySpan<int> pages)
    {
        nint ids = _lists.Ensure(pages.Length * (long)sizeof(int));
        _queue.Upload(ids, MemoryMarshal.AsBytes(pages));
        return ids;
    }

    private void Copy(int pages, CopyPagesArguments arguments)
    {
        arguments.PageBytes = Stride;
        _queue.Launch("kv_copy_pages", new CudaGrid(pages), CopyThreads, 0, arguments);
    }
}
