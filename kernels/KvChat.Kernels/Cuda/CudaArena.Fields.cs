using System.Runtime.InteropServices;
using KvChat.Kernels.Cuda.Driver;

namespace KvChat.Kernels.Cuda;

internal sealed partial class CudaArena
{
    private const int FieldThreads = 256;

    /// <inheritdoc/>
    public override void ReadPositions(HeadView head, KvFormat format, Span<int> positions)
    {
        CheckLength(positions.Length, head.Length, nameof(positions));
        ReadField(head, format, PageLayoutArguments.Of(Shape, format).Positions, MemoryMarshal.AsBytes(positions));
    }

    /// <inheritdoc/>
    public override void ReadScores(HeadView head, KvFormat format, Span<float> scores)
    {
        CheckLength(scores.Length, head.Length, nameof(scores));
        ReadField(head, format, PageLayoutArguments.Of(Shape, format).Scores, MemoryMarshal.AsBytes(scores));
    }

    /// <inheritdoc/>
    public override void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores)
    {
        CheckLength(scores.Length, head.Length, nameof(scores));
        WriteField(head, format, PageLayoutArguments.Of(Shape, format).Scores, MemoryMarshal.AsBytes(scores));
    }

    /// <inheritdoc/>
    public override void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights)
    {
        if (!Shape.LogWeights)
            throw new InvalidOperationException($"The arena was made without log-weights; set {nameof(KvArenaShape.LogWeights)} in its shape.");
        CheckLength(logWeights.Length, head.Length, nameof(logWeights));
        WriteField(head, format, PageLayoutArguments.Of(Shape, format).LogWeights, MemoryMarshal.AsBytes(logWeights));
    }

    /// <inheritdoc/>
    public override void ReadKeys(HeadView head, KvFormat format, Span<float> keys) => ReadNumbers(head, format, keys, isValue: false, nameof(keys));

    /// <inheritdoc/>
    public override void ReadValues(HeadView head, KvFormat format, Span<float> values) => ReadNumbers(head, format, values, isValue: true, nameof(values));

    private void ReadField(HeadView head, KvFormat format, int offset, Span<byte> target)
    {
        FlushMoves();
        if (target.IsEmpty)
            return;
        FieldArguments arguments = FieldOf(head, format, offset);
        _queue.Launch("kv_read_field", FieldGrid(arguments.Count), FieldThreads, 0, arguments);
        _queue.Download(arguments.Values, target);
    }

    private void WriteField(HeadView head, KvFormat format, int offset, ReadOnlySpan<byte> source)
    {
        FlushMoves();
        if (source.IsEmpty)
            return;
        FieldArguments arguments = FieldOf(head, format, offset);
        _queue.Upload(arguments.Values, source);
        _queue.Launch("kv_write_field", FieldGrid(arguments.Count), FieldThreads, 0, arguments);
    }

    private void ReadNumbers(HeadView head, KvFormat format, Span<float> target, bool isValue, string name)
    {
        CheckLength(target.Length, (long)head.Length * Shape.HeadDim, name);
        FlushMoves();
        if (target.IsEmpty)
            return;
        int most = Math.Max(1, RecordBytes / (Shape.HeadDim * sizeof(float)));
        NumberArguments arguments = new()
        {
            Arena = _arguments,
            Table = UploadTable(head, format),
            Numbers = _records.Ensure(Math.Min(most, head.Length) * (long)Shape.HeadDim * sizeof(float)),
            Format = (int)format,
            IsValue = isValue ? 1 : 0,
        };
        for (; arguments.First < head.Length; arguments.First += arguments.Count)
        {
            arguments.Count = Math.Min(most, head.Length - arguments.First);
            _queue.Launch("kv_read_numbers", new CudaGrid((arguments.Count + BlockKvs - 1) / BlockKvs), BlockThreads, 0, arguments);
            _queue.Download(arguments.Numbers, MemoryMarshal.AsBytes(target.Slice(arguments.First * Shape.HeadDim, arguments.Count * Shape.HeadDim)));
        }
    }

    private static CudaGrid FieldGrid(int count) => new((count + FieldThreads - 1) / FieldThreads);

    private FieldArguments FieldOf(HeadView head, KvFormat format, int offset) => new()
    {
        Pages = Start,
        PageStride = Stride,
        Table = UploadTable(head, format),
        Values = _records.Ensure((long)head.Length * sizeof(float)),
        Offset = offset,
        Slots = PageTokens(format),
        Count = head.Length,
    };

    // Page ids of a head in the order of its KVs.
    private nint UploadTable(HeadView head, KvFormat format)
    {
        int pages = (head.Length + PageTokens(format) - 1) / PageTokens(format);
        if (_table.Length < pages)
            _table = new int[Math.Max(pages, 2 * _table.Length)];
        for (int i = 0; i < pages; i++)
        {
            CheckPage(head.Page(i));
            _table[i] = head.Page(i);
        }

        nint address = _lists.Ensure(pages * (long)sizeof(int));
        _queue.Upload(address, MemoryMarshal.AsBytes<int>(_table.AsSpan(0, pages)));
        return address;
    }
}
