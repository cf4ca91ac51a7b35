using System.Runtime.InteropServices;
using KvChat.Gpu.Shapes;
using KvChat.Kernels;
using KvChat.Kernels.Cuda;

namespace KvChat.Gpu.Benchmarks;

/// <summary>Pages full of random KVs, scattered over the pool, with the tables of some layers of some sequences.</summary>
internal sealed unsafe class FilledCache : IDisposable
{
    private readonly CudaBackend _backend;
    private readonly ModelShape _shape;
    private readonly KvFormat _format;
    private readonly int[][] _lengths;
    private readonly int* _pages;
    private readonly int[] _firstPages;

    /// <summary>Takes the memory and fills it.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="shape">Heads and their dimension.</param>
    /// <param name="format">Format of the pages.</param>
    /// <param name="lengths">KVs of each head of each sequence, alike in all layers, <c>[sequences][heads]</c>.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="room">KVs that each head has pages for beyond its length.</param>
    public FilledCache(CudaBackend backend, ModelShape shape, KvFormat format, int[][] lengths, int layers, int room)
    {
        (_backend, _shape, _format, _lengths) = (backend, shape, format, lengths);
        int slots = new KvArenaShape(shape.HeadDim, PageTokens, 1).PageTokens(format);
        int[] counts = [.. Enumerable.Range(0, layers).SelectMany(_ => lengths.SelectMany(heads => heads.Select(length => (length + room + slots - 1) / slots)))];
        _firstPages = new int[counts.Length + 1];
        for (int i = 0; i < counts.Length; i++)
            _firstPages[i + 1] = checked(_firstPages[i] + counts[i]);
        Layers = layers;
        PageCount = Math.Max(_firstPages[^1], shape.KvHeads);
        Arena = backend.CreateArena(new KvArenaShape(shape.HeadDim, PageTokens, PageCount));
        _pages = (int*)NativeMemory.Alloc((nuint)PageCount, sizeof(int));
        Span<int> pages = new(_pages, PageCount);
        for (int i = 0; i < pages.Length; i++)
            pages[i] = i;
        new Random(11).Shuffle(pages);
        Fill();
    }

    /// <summary>KVs of a page of halves.</summary>
    public static int PageTokens => 16;

    /// <summary>The pool.</summary>
    public KvArena Arena { get; }

    /// <summary>Pages of all heads.</summary>
    public int PageCount { get; }

    /// <summary>Layers.</summary>
    public int Layers { get; }

    /// <summary>Sequences.</summary>
    public int Sequences => _lengths.Length;

    /// <summary>Bytes of the keys and values of one layer, with their scales.</summary>
    public long LayerBytes => BytesOf(_shape, _format, _lengths);

    /// <summary>Bytes of the keys and values of so many KVs in a head, with their scales.</summary>
    public static long BytesOf(ModelShape shape, KvFormat format, int[][] lengths)
    {
        KvArenaShape arena = new(shape.HeadDim, PageTokens, 1);
        return lengths.Sum(heads => heads.Sum(length => (long)length)) * PageTokens * shape.HeadDim * 2 * sizeof(ushort) / arena.PageTokens(format);
    }

    /// <summary>Bytes that the pool takes, with positions and scores.</summary>
    public static long PoolBytesOf(ModelShape shape, KvFormat format, int[][] lengths, int layers, int room)
    {
        KvArenaShape arena = new(shape.HeadDim, PageTokens, 1);
        int slots = arena.PageTokens(format);
        return lengths.Sum(heads => heads.Sum(length => (long)(length + room + slots - 1) / slots)) * layers * arena.PageImageBytes();
    }

    /// <summary>The heads of a sequence's layer.</summary>
    public HeadView Head(int layer, int sequence, int head) =>
        new(_pages + _firstPages[(((layer * Sequences) + sequence) * _shape.KvHeads) + head], _lengths[sequence][head]);

    /// <summary>Pages of a sequence's head.</summary>
    public int PagesOf(int sequence, int head)
    {
        int at = (sequence * _shape.KvHeads) + head;
        return _firstPages[at + 1] - _firstPages[at];
    }

    /// <summary>A step of all sequences in one layer.</summary>
    /// <param name="layer">Which one.</param>
    /// <param name="rows">Rows of each sequence.</param>
    public KvBatch Batch(int layer, int rows)
    {
        KvBatch batch = new() { Sequences = new SequenceSlice[Sequences], SequenceCount = Sequences, Positions = new int[Sequences * rows], RowCount = Sequences * rows, Heads = new HeadView[Sequences * _shape.KvHeads] };
        for (int s = 0; s < Sequences; s++)
        {
            batch.Sequences[s] = new SequenceSlice { FirstRow = s * rows, RowCount = rows, Format = _format };
            for (int head = 0; head < _shape.KvHeads; head++)
                batch.Heads[(s * _shape.KvHeads) + head] = Head(layer, s, head);
            for (int row = 0; row < rows; row++)
                batch.Positions[(s * rows) + row] = _lengths[s].Max() + row;
        }

        return batch;
    }

    /// <summary>A tensor of random rows of queries, keys and values.</summary>
    public static DeviceTensor RandomRows(CudaBackend backend, ModelShape shape, int rows)
    {
        DeviceTensor tensor = backend.CreateTensor(rows, shape.QueryKeyValueWidth);
        Random random = new(5);
        float[] row = new float[shape.QueryKeyValueWidth];
        for (int i = 0; i < rows; i++)
        {
            foreach (ref float number in row.AsSpan())
                number = (random.NextSingle() + random.NextSingle() + random.NextSingle() - 1.5f) * 2;
            backend.Write(tensor, i, row);
        }

        return tensor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Arena.Dispose();
        NativeMemory.Free(_pages);
    }

    // A page a KV head is appended as prompts are; all other pages are copies of those.
    private void Fill()
    {
        int slots = Arena.PageTokens(_format), heads = _shape.KvHeads;
        using DeviceTensor rows = RandomRows(_backend, _shape, slots);
        KvBatch batch = new() { Sequences = [new SequenceSlice { FirstRow = 0, RowCount = slots, Format = _format }], SequenceCount = 1, Positions = [.. Enumerable.Range(0, slots)], RowCount = slots, Heads = new HeadView[heads] };
        for (int head = 0; head < heads; head++)
            batch.Heads[head] = new HeadView(_pages + head, 0);
        _backend.Append(new AppendOperation { QueryKeyValue = rows, QueryHeads = _shape.QueryHeads, KvHeads = heads, Arena = Arena, Batch = batch });
        for (int i = heads; i < PageCount; i++)
            Arena.CopyPage(_pages[i % heads], _pages[i]);
    }
}
