using KvChat.Kernels;
using KvChat.Kernels.Cpu;

namespace KvChat.Benchmarks.Kernels;

/// <summary>Layers of SmolLM2-135M's shape (9 query heads, 3 KV heads of 64) over an arena whose pages lie scattered, full of random halves.</summary>
internal sealed unsafe class AttentionLayer : IDisposable
{
    private const int QueryHeads = 9;
    private const int KvHeads = 3;
    private const int HeadDim = 64;
    private const int PageTokens = 16;

    private readonly CpuBackend _backend;
    private readonly KvArena _arena;
    private readonly KvFormat _format;
    private readonly KvBatch[] _layers;
    private readonly int[] _pages;
    private readonly DeviceTensor _rows;
    private readonly DeviceTensor _output;
    private readonly DeviceRotary _rotary;

    public AttentionLayer(int threads, int sequences, int depth, int rows, int layers, KvFormat format = KvFormat.F16, bool rotate = true)
    {
        _backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        _format = format;
        int slots = new KvArenaShape(HeadDim, PageTokens, 1).PageTokens(format), pagesPerHead = (depth + rows + slots - 1) / slots, heads = layers * sequences * KvHeads;
        _arena = _backend.CreateArena(new KvArenaShape(HeadDim, PageTokens, pagesPerHead * heads, Rotate: rotate));
        _pages = GC.AllocateUninitializedArray<int>(pagesPerHead * heads, pinned: true);
        for (int i = 0; i < _pages.Length; i++)
            _pages[i] = i;
        Random random = new(1);
        random.Shuffle(_pages);
        FillPages(random);
        _layers = [.. Enumerable.Range(0, layers).Select(layer => Batch(sequences, depth, rows, layer * sequences * KvHeads * pagesPerHead, pagesPerHead))];
        _rows = _backend.CreateTensor(sequences * rows, (QueryHeads + (2 * KvHeads)) * HeadDim);
        _output = _backend.CreateTensor(sequences * rows, QueryHeads * HeadDim);
        float[] row = new float[_rows.Columns];
        for (int i = 0; i < _rows.Rows; i++)
        {
            for (int j = 0; j < row.Length; j++)
                row[j] = (float)((random.NextDouble() * 2) - 1);
            _backend.Write(_rows, i, row);
        }

        _rotary = _backend.CreateRotary([.. Enumerable.Range(0, HeadDim / 2).Select(i => MathF.Pow(10000, -2f * i / HeadDim))]);
    }

    /// <summary>Bytes of that many keys and values in all KV heads of a layer.</summary>
    public static double KvBytes(long kvs, KvFormat format = KvFormat.F16) => (double)kvs * KvHeads * HeadDim * (format.KeyBits() + format.ValueBits()) / 8;

    /// <summary>Multiplications and additions of the two products of a layer, over visible KVs alone.</summary>
    public static double Operations(int depth, int rows) => 4.0 * HeadDim * QueryHeads * (((double)rows * depth) + (rows * (rows + 1.0) / 2));

    public void Attend()
    {
        foreach (KvBatch layer in _layers)
        {
            _backend.Attend(new AttentionOperation
            {
                QueryKeyValue = _rows,
                QueryHeads = QueryHeads,
                KvHeads = KvHeads,
                Arena = _arena,
                Batch = layer,
                Output = _output,
                Scale = 0.125f,
            });
        }
    }

    public void Append()
    {
        foreach (KvBatch layer in _layers)
            _backend.Append(new AppendOperation { QueryKeyValue = _rows, QueryHeads = QueryHeads, KvHeads = KvHeads, Arena = _arena, Batch = layer, Rotary = _rotary });
    }

    public void Dispose()
    {
        _rotary.Dispose();
        _output.Dispose();
        _rows.Dispose();
        _arena.Dispose();
        _backend.Dispose();
    }

    private void FillPages(Random random)
    {
        byte[] image = new byte[_arena.PageImageBytes];
        for (int i = 0; i < _arena.PageBytes / sizeof(ushort); i++)
            BitConverter.TryWriteBytes(image.AsSpan(i * sizeof(ushort)), (Half)((random.NextDouble() * 2) - 1));
        for (int page = 0; page < _pages.Length; page++)
            _arena.WritePages([page], image);
    }

    private KvBatch Batch(int sequences, int depth, int rows, int firstPage, int pagesPerHead)
    {
        KvBatch batch = new()
        {
            Sequences = new SequenceSlice[sequences],
            SequenceCount = sequences,
            RowCount = sequences * rows,
            Positions = [.. Enumerable.Range(0, sequences * rows).Select(i => depth + (i % rows))],
            Heads = new HeadView[sequences * KvHeads],
        };
        fixed (int* pages = _pages)
        {
            for (int i = 0; i < sequences; i++)
                batch.Sequences[i] = new SequenceSlice { FirstRow = i * rows, RowCount = rows, Format = _format };
            for (int i = 0; i < batch.Heads.Length; i++)
                batch.Heads[i] = new HeadView(pages + firstPage + (i * pagesPerHead), depth);
        }

        return batch;
    }
}
