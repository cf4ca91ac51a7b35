using System.Buffers.Binary;
using KvChat.Kernels;

namespace KvChat.TestSupport;

/// <summary>
/// Pages in managed memory that keep one recognisable number per KV where a real arena keeps key and value, so that tests can compare
/// contents with a plain list. Counts what it is asked to do, and tells of every page that is written.
/// </summary>
public sealed unsafe class FakeKvArena(KvArenaShape shape) : KvArena(shape)
{
    private const int NumberBytes = sizeof(long);

    private readonly byte[] _memory = new byte[(long)shape.PageCount * shape.PageImageBytes()];
    private readonly List<byte[]> _staged = [];

    /// <summary>Called with every page that is about to be written.</summary>
    public Action<int>? Writing { get; set; }

    /// <summary>KVs moved so far.</summary>
    public long Moves { get; private set; }

    /// <summary>KVs that changed formats so far.</summary>
    public long Requantized { get; private set; }

    /// <summary>Pages copied within the arena so far.</summary>
    public long Copies { get; private set; }

    private int RecordBytes => NumberBytes + Shape.MetadataBytes();

    /// <summary>Writes KVs behind a head's last one, as attention's append does; the head's pages must have room.</summary>
    public void Append(HeadView head, KvFormat format, ReadOnlySpan<int> positions, ReadOnlySpan<long> values, ReadOnlySpan<float> scores)
    {
        for (int i = 0; i < values.Length; i++)
        {
            Span<byte> record = Record(head, format, head.Length + i, writes: true);
            record.Clear();
            BinaryPrimitives.WriteInt64LittleEndian(record, values[i]);
            BinaryPrimitives.WriteInt32LittleEndian(record[NumberBytes..], positions[i]);
            BinaryPrimitives.WriteSingleLittleEndian(record[(NumberBytes + 4)..], scores.IsEmpty ? 0 : scores[i]);
        }
    }

    /// <summary>The number that each KV of a head was appended with.</summary>
    public long[] ReadNumbers(HeadView head, KvFormat format)
    {
        long[] numbers = new long[head.Length];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(Record(head, format, i));
        return numbers;
    }

    /// <inheritdoc/>
    public override void Move(KvFormat format, ReadOnlySpan<KvMove> moves)
    {
        foreach (KvMove move in moves)
        {
            Writing?.Invoke(move.TargetPage);
            Record(move.SourcePage, move.SourceSlot, format).CopyTo(Record(move.TargetPage, move.TargetSlot, format));
        }

        Moves += moves.Length;
    }

    /// <inheritdoc/>
    public override void Stage(KvFormat format, ReadOnlySpan<KvSlot> sources)
    {
        foreach (KvSlot source in sources)
            _staged.Add(Record(source.Page, source.Slot, format).ToArray());
    }

    /// <inheritdoc/>
    public override void Unstage(KvFormat format, ReadOnlySpan<KvSlot> targets)
    {
        Same(_staged.Count, targets.Length);
        for (int i = 0; i < targets.Length; i++)
        {
            Writing?.Invoke(targets[i].Page);
            _staged[i].CopyTo(Record(targets[i].Page, targets[i].Slot, format));
        }

        Requantized += targets.Length;
        _staged.Clear();
    }

    /// <inheritdoc/>
    public override void CopyPage(int source, int target)
    {
        Writing?.Invoke(target);
        Image(source).CopyTo(Image(target));
        Copies++;
    }

    /// <inheritdoc/>
    public override void ReadPages(ReadOnlySpan<int> pages, Span<byte> images)
    {
        Same(pages.Length * PageImageBytes, images.Length);
        for (int i = 0; i < pages.Length; i++)
            Image(pages[i]).CopyTo(images[(i * PageImageBytes)..]);
    }

    /// <inheritdoc/>
    public override void WritePages(ReadOnlySpan<int> pages, ReadOnlySpan<byte> images)
    {
        Same(pages.Length * PageImageBytes, images.Length);
        for (int i = 0; i < pages.Length; i++)
        {
            Writing?.Invoke(pages[i]);
            images.Slice(i * PageImageBytes, PageImageBytes).CopyTo(Image(pages[i]));
        }
    }

    /// <inheritdoc/>
    public override void ReadPositions(HeadView head, KvFormat format, Span<int> positions)
    {
        Same(head.Length, positions.Length);
        for (int i = 0; i < head.Length; i++)
            positions[i] = BinaryPrimitives.ReadInt32LittleEndian(Record(head, format, i)[NumberBytes..]);
    }

    /// <inheritdoc/>
    public override void ReadScores(HeadView head, KvFormat format, Span<float> scores)
    {
        Same(head.Length, scores.Length);
        for (int i = 0; i < head.Length; i++)
            scores[i] = BinaryPrimitives.ReadSingleLittleEndian(Record(head, format, i)[(NumberBytes + 4)..]);
    }

    /// <inheritdoc/>
    public override void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores)
    {
        Same(head.Length, scores.Length);
        for (int i = 0; i < head.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(Record(head, format, i, writes: true)[(NumberBytes + 4)..], scores[i]);
    }

    /// <inheritdoc/>
    public override void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights)
    {
        if (!Shape.LogWeights)
            throw new InvalidOperationException("The arena was made without log-weights.");
        Same(head.Length, logWeights.Length);
        for (int i = 0; i < head.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(Record(head, format, i, writes: true)[(NumberBytes + 8)..], logWeights[i]);
    }

    /// <summary>Every number of a key is the KV's number.</summary>
    public override void ReadKeys(HeadView head, KvFormat format, Span<float> keys)
    {
        Same(head.Length * Shape.HeadDim, keys.Length);
        long[] numbers = ReadNumbers(head, format);
        for (int i = 0; i < keys.Length; i++)
            keys[i] = numbers[i / Shape.HeadDim];
    }

    /// <summary>Every number of a value is the negated number of the KV.</summary>
    public override void ReadValues(HeadView head, KvFormat format, Span<float> values)
    {
        ReadKeys(head, format, values);
        for (int i = 0; i < values.Length; i++)
            values[i] = -values[i];
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    private static void Same(int expected, int actual)
    {
        if (expected != actual)
            throw new ArgumentException($"The head takes {expected} elements, not {actual}.");
    }

    private Span<byte> Image(int page) => _memory.AsSpan(checked(page * PageImageBytes), PageImageBytes);

    private Span<byte> Record(HeadView head, KvFormat format, int kv, bool writes = false)
    {
        int page = head.Page(kv / PageTokens(format));
        if (writes)
            Writing?.Invoke(page);
        return Record(page, kv % PageTokens(format), format);
    }

    private Span<byte> Record(int page, int slot, KvFormat format)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, PageTokens(format));
        return Image(page).Slice(slot * RecordBytes, RecordBytes);
    }
}
