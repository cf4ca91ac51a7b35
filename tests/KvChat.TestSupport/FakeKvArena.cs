using System.Buffers.Binary;
using System.Runtime.InteropServices;
using KvChat.Kernels;

namespace KvChat.TestSupport;

/// <summary>
/// Pages in managed memory that keep one recognisable number per KV where a real arena keeps key and value, so that tests can compare
/// contents with a plain list. Counts what it is asked to do, and tells of every page that is written.
/// </summary>
public sealed unsafe class FakeKvArena(KvArenaShape shape) : KvArena(shape)
{
    private readonly byte[] _memory = new byte[(long)shape.PageCount * PageImage(shape)];

    /// <summary>Called with every page that is about to be written.</summary>
    public Action<int>? Writing { get; set; }

    /// <summary>KVs moved so far.</summary>
    public long Moves { get; private set; }

    /// <summary>Pages copied within the arena so far.</summary>
    public long Copies { get; private set; }

    /// <inheritdoc/>
    public override int PageMetadataBytes => Metadata(Shape);

    /// <summary>Writes KVs behind a head's last one, as attention's append does; the head's pages must have room.</summary>
    public void Append(HeadView head, KvFormat format, ReadOnlySpan<int> positions, ReadOnlySpan<long> values, ReadOnlySpan<float> scores)
    {
        for (int i = 0; i < values.Length; i++)
        {
            int page = head.Pages[(head.Length + i) / PageTokens(format)], slot = (head.Length + i) % PageTokens(format);
            Writing?.Invoke(page);
            BinaryPrimitives.WriteInt64LittleEndian(Payload(page, slot, format), values[i]);
            Positions(page)[slot] = positions[i];
            Scores(page)[slot] = scores.IsEmpty ? 0 : scores[i];
        }
    }

    /// <summary>The number that each KV of a head was appended with.</summary>
    public long[] ReadNumbers(HeadView head, KvFormat format)
    {
        long[] numbers = new long[head.Length];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(Payload(head.Pages[i / PageTokens(format)], i % PageTokens(format), format));
        return numbers;
    }

    /// <inheritdoc/>
    public override void Move(KvFormat format, ReadOnlySpan<KvMove> moves)
    {
        foreach (KvMove move in moves)
        {
            Writing?.Invoke(move.TargetPage);
            Payload(move.SourcePage, move.SourceSlot, format).CopyTo(Payload(move.TargetPage, move.TargetSlot, format));
            Positions(move.TargetPage)[move.TargetSlot] = Positions(move.SourcePage)[move.SourceSlot];
            Scores(move.TargetPage)[move.TargetSlot] = Scores(move.SourcePage)[move.SourceSlot];
            if (Shape.LogWeights)
                LogWeights(move.TargetPage)[move.TargetSlot] = LogWeights(move.SourcePage)[move.SourceSlot];
        }

        Moves += moves.Length;
    }

    /// <inheritdoc/>
    public override void CopyPage(int source, int target)
    {
        Writing?.Invoke(target);
        Image(source).CopyTo(Image(target));
        Copies++;
    }

    /// <inheritdoc/>
    public override void ReadPage(int page, Span<byte> image) => Image(page).CopyTo(image[..PageImageBytes]);

    /// <inheritdoc/>
    public override void WritePage(int page, ReadOnlySpan<byte> image)
    {
        Writing?.Invoke(page);
        image[..PageImageBytes].CopyTo(Image(page));
    }

    /// <inheritdoc/>
    public override void ReadPositions(HeadView head, KvFormat format, Span<int> positions)
    {
        Same(head.Length, positions.Length);
        for (int i = 0; i < head.Length; i++)
            positions[i] = Positions(head.Pages[i / PageTokens(format)])[i % PageTokens(format)];
    }

    /// <inheritdoc/>
    public override void ReadScores(HeadView head, KvFormat format, Span<float> scores)
    {
        Same(head.Length, scores.Length);
        for (int i = 0; i < head.Length; i++)
            scores[i] = Scores(head.Pages[i / PageTokens(format)])[i % PageTokens(format)];
    }

    /// <inheritdoc/>
    public override void WriteScores(HeadView head, KvFormat format, ReadOnlySpan<float> scores)
    {
        Same(head.Length, scores.Length);
        for (int i = 0; i < head.Length; i++)
        {
            Writing?.Invoke(head.Pages[i / PageTokens(format)]);
            Scores(head.Pages[i / PageTokens(format)])[i % PageTokens(format)] = scores[i];
        }
    }

    /// <inheritdoc/>
    public override void WriteLogWeights(HeadView head, KvFormat format, ReadOnlySpan<float> logWeights)
    {
        if (!Shape.LogWeights)
            throw new InvalidOperationException("The arena was made without log-weights.");
        Same(head.Length, logWeights.Length);
        for (int i = 0; i < head.Length; i++)
        {
            Writing?.Invoke(head.Pages[i / PageTokens(format)]);
            LogWeights(head.Pages[i / PageTokens(format)])[i % PageTokens(format)] = logWeights[i];
        }
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

    private static int Metadata(KvArenaShape shape) => shape.PageTokens * (shape.LogWeights ? 12 : 8);

    private static int PageImage(KvArenaShape shape) => shape.PageTokens * shape.HeadDim * 4 + Metadata(shape);

    private static void Same(int expected, int actual)
    {
        if (expected != actual)
            throw new ArgumentException($"The head takes {expected} elements, not {actual}.");
    }

    private Span<byte> Image(int page) => _memory.AsSpan(checked(page * PageImageBytes), PageImageBytes);

    private Span<byte> Payload(int page, int slot, KvFormat format)
    {
        int bytes = PageBytes / PageTokens(format);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slot, PageTokens(format));
        return Image(page).Slice(slot * bytes, bytes);
    }

    private Span<int> Positions(int page) => MemoryMarshal.Cast<byte, int>(Image(page)[PageBytes..])[..Shape.PageTokens];

    private Span<float> Scores(int page) => MemoryMarshal.Cast<byte, float>(Image(page)[PageBytes..]).Slice(Shape.PageTokens, Shape.PageTokens);

    private Span<float> LogWeights(int page) => MemoryMarshal.Cast<byte, float>(Image(page)[PageBytes..]).Slice(2 * Shape.PageTokens, Shape.PageTokens);
}
