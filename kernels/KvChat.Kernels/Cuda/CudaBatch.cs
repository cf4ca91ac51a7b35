using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KvChat.Kernels.Cuda;

/// <summary>A batch as kernels read it, in one piece of device memory, written again only where it has changed.</summary>
internal sealed class CudaBatch(ICudaQueue queue) : IDisposable
{
    private const int Alignment = 16;

    // Page ids of a head that are sent at once: a captured step then serves until a head grows by so many pages, not by one.
    private const int PagesOfStep = 16;

    private readonly CudaScratch _device = new(queue);
    private byte[] _bytes = [], _sent = [];
    private int _sentLength;

    /// <summary>Brings a batch to the device, where it stays until the next call.</summary>
    public BatchArguments Bring(KvBatch batch, int kvHeads, in KvArenaShape shape)
    {
        int heads = batch.SequenceCount * kvHeads, pages = 0;
        for (int i = 0; i < heads; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i / kvHeads];
            pages = checked(pages + PagesOf(batch.Heads[i].Length + slice.RowCount, slice.Format, shape) + LowPagesOf(batch.Heads[i], slice, shape));
        }

        int headStart = Align(batch.SequenceCount * Unsafe.SizeOf<SequenceArguments>());
        int positionStart = headStart + Align(heads * Unsafe.SizeOf<HeadArguments>());
        int rowStart = positionStart + Align(batch.RowCount * sizeof(int)), weightStart = rowStart + Align(batch.RowCount * sizeof(int));
        int pageStart = weightStart + (batch.RowWeights is null ? 0 : Align(batch.RowCount * sizeof(float)));
        int atOnce = Math.Max(1, heads) * PagesOfStep, listed = checked(pages + atOnce - 1) / atOnce * atOnce;
        int length = checked(pageStart + (listed * sizeof(int)));
        if (_bytes.Length < length)
            Array.Resize(ref _bytes, Math.Max(length, 2 * _bytes.Length));
        FillSequences(batch, MemoryMarshal.Cast<byte, SequenceArguments>(_bytes.AsSpan(0, headStart)));
        batch.Positions.AsSpan(0, batch.RowCount).CopyTo(MemoryMarshal.Cast<byte, int>(_bytes.AsSpan(positionStart)));
        Span<int> rows = MemoryMarshal.Cast<byte, int>(_bytes.AsSpan(rowStart))[..batch.RowCount];
        rows.Clear();
        for (int i = 0; i < batch.SequenceCount; i++)
            rows.Slice(batch.Sequences[i].FirstRow, batch.Sequences[i].RowCount).Fill(i);
        batch.RowWeights?.AsSpan(0, batch.RowCount).CopyTo(MemoryMarshal.Cast<byte, float>(_bytes.AsSpan(weightStart)));
        FillHeads(batch, kvHeads, shape, MemoryMarshal.Cast<byte, HeadArguments>(_bytes.AsSpan(headStart)), MemoryMarshal.Cast<byte, int>(_bytes.AsSpan(pageStart)));
        _bytes.AsSpan(pageStart + (pages * sizeof(int)), (listed - pages) * sizeof(int)).Clear();
        nint address = Send(length);
        return new BatchArguments
        {
            Sequences = address,
            Heads = address + headStart,
            Positions = address + positionStart,
            RowSequences = address + rowStart,
            Pages = address + pageStart,
            RowWeights = batch.RowWeights is null ? 0 : address + weightStart,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();

    private static int Align(int bytes) => checked(bytes + Alignment - 1) / Alignment * Alignment;

    private static int PagesOf(int kvs, KvFormat format, in KvArenaShape shape) => (kvs + shape.PageTokens(format) - 1) / shape.PageTokens(format);

    private static int LowPagesOf(in HeadView head, in SequenceSlice slice, in KvArenaShape shape) =>
        head.LowLength == 0 ? 0 : PagesOf(head.LowLength, slice.LowFormat, shape);

    private static void FillSequences(KvBatch batch, Span<SequenceArguments> target)
    {
        for (int i = 0; i < batch.SequenceCount; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i];
            target[i] = new SequenceArguments
            {
                FirstRow = slice.FirstRow,
                RowCount = slice.RowCount,
                Format = (int)slice.Format,
                LowFormat = (int)(slice.LowFormat is >= KvFormat.F16 and <= KvFormat.K4V2 ? slice.LowFormat : KvFormat.K4V2),
                Observation = (int)slice.Observation,
                ObservedRows = slice.ObservedRows,
                PoolWidth = slice.PoolWidth,
                Flags = (slice.Squared ? SequenceArguments.Squared : 0) | (slice.Largest ? SequenceArguments.Largest : 0)
                    | (slice.AveragePool ? SequenceArguments.AveragePool : 0) | (slice.UsesLongRotary ? SequenceArguments.LongRotary : 0) | (slice.LargestOfGroup ? SequenceArguments.LargestOfGroup : 0),
            };
        }
    }

    private static void FillHeads(KvBatch batch, int kvHeads, in KvArenaShape shape, Span<HeadArguments> target, Span<int> pages)
    {
        int next = 0;
        for (int i = 0; i < batch.SequenceCount * kvHeads; i++)
        {
            ref readonly SequenceSlice slice = ref batch.Sequences[i / kvHeads];
            HeadView head = batch.Heads[i];
            int high = PagesOf(head.Length + slice.RowCount, slice.Format, shape), low = LowPagesOf(head, slice, shape);
            target[i] = new HeadArguments { Pages = next, Length = head.Length, LowPages = next + high, LowLength = head.LowLength };
            for (int page = 0; page < high; page++)
                pages[next++] = head.Page(page);
            HeadView lowEnd = head.LowEnd;
            for (int page = 0; page < low; page++)
                pages[next++] = lowEnd.Page(page);
        }
    }

    // Append and attention of a layer see the same batch: it is sent once.
    private nint Send(int length)
    {
        nint before = _device.Address, address = _device.Ensure(length);
        if (address == before && length == _sentLength && _bytes.AsSpan(0, length).SequenceEqual(_sent.AsSpan(0, length)))
            return address;
        queue.Upload(address, _bytes.AsSpan(0, length));
        (_bytes, _sent) = (_sent, _bytes);
        _sentLength = length;
        return address;
    }
}
