using System.Runtime.InteropServices;
using System.Security.Cryptography;
using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Compression;

/// <summary>Reads a text with a model, in pages of its own, and looks at the queries.</summary>
internal sealed class QueryMeasurement : IDisposable
{
    /// <summary>First tokens, whose queries are unlike all later ones, are left out.</summary>
    private const int Skipped = 4;
    private const int StepRows = 128, PageTokens = 16, ProbeTokens = 8;

    private readonly TransformerModel _model;
    private readonly TransformerConfiguration _shape;
    private readonly int[] _tokens;
    private readonly KvArena _arena;
    private readonly PagePool _pool;
    private readonly ForwardPass _pass;

    /// <summary>Makes room for reading the tokens, at least 8 of them.</summary>
    public QueryMeasurement(TransformerModel model, int[] tokens)
    {
        _model = model;
        _shape = model.Configuration;
        _tokens = tokens;
        _arena = model.Backend.CreateArena(new KvArenaShape(_shape.HeadDim, PageTokens, checked(_shape.TotalKvHeads * ((tokens.Length / PageTokens) + 2))));
        _pool = new PagePool(_arena);
        _pass = new ForwardPass(model, _arena, StepRows, 1);
    }

    /// <summary>A name for the model and the text: a hash of shape, text, and the logits of its first tokens.</summary>
    public string Fingerprint()
    {
        float[] logits = new float[_shape.VocabularySize];
        using (SequenceCache cache = NewCache())
        {
            Read(cache, 0, ProbeTokens, logits: true);
            _pass.ReadLogits(0, logits);
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes<int>([_shape.Layers, _shape.QueryHeads, _shape.HeadDim, _shape.Width]));
        hash.AppendData(MemoryMarshal.AsBytes<int>(_tokens));
        hash.AppendData(MemoryMarshal.AsBytes<float>(logits));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 12));
    }

    /// <summary>Mean and covariance of all heads' queries over the text.</summary>
    public QueryStatistics Measure()
    {
        var sums = new HeadSums[_shape.Layers * _shape.QueryHeads];
        for (int i = 0; i < sums.Length; i++)
            sums[i] = new HeadSums(_shape.HeadDim);
        float[] row = new float[(_shape.QueryHeads + (2 * _shape.KvHeads)) * _shape.HeadDim];
        int start = 0, rows = 0;
        _pass.AfterAppend = (layer, tensor) =>
        {
            for (int i = Math.Max(0, Skipped - start); i < rows; i++)
            {
                _model.Backend.Read(tensor, i, row);
                for (int head = 0; head < _shape.QueryHeads; head++)
                {
                    Span<float> query = row.AsSpan(head * _shape.HeadDim, _shape.HeadDim);
                    TurnBack(query, layer, start + i);
                    sums[(layer * _shape.QueryHeads) + head].Add(query);
                }
            }
        };
        using SequenceCache cache = NewCache();
        for (; start < _tokens.Length; start += rows)
        {
            rows = Math.Min(StepRows, _tokens.Length - start);
            Read(cache, start, rows, logits: false);
        }

        _pass.AfterAppend = null;
        return new QueryStatistics(_shape.Layers, _shape.QueryHeads, _shape.HeadDim, [.. sums.Select(s => s.Moments())]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pass.Dispose();
        _arena.Dispose();
    }

    private SequenceCache NewCache() => new(_pool, _shape.Layers, _shape.KvHeads, KvFormat.F16);

    private void Read(SequenceCache cache, int start, int rows, bool logits)
    {
        if (!cache.TryReserve(rows))
            throw new InvalidOperationException("The pool for measuring queries is too small.");
        var batch = new KvBatch
        {
            Sequences = [new SequenceSlice { FirstRow = 0, RowCount = rows, Format = KvFormat.F16 }],
            SequenceCount = 1,
            RowCount = rows,
            Positions = [.. Enumerable.Range(start, rows)],
            Heads = new HeadView[_shape.KvHeads],
        };
        _pass.Run(batch, [cache], _tokens.AsSpan(start, rows), logits ? [rows - 1] : []);
        cache.Commit(rows);
    }

    // Queries are seen rotated; their norms, where a model has them, come before that.
    private void TurnBack(Span<float> query, int layer, int position)
    {
        if (_shape.PerLayer[layer].Rotary is not { } index)
            return;
        RotaryTable table = RotaryFrequencies.Of(_shape.Rotaries[index]);
        for (int i = 0, half = table.Frequencies.Length; i < half; i++)
        {
            (double sine, double cosine) = Math.SinCos((float)position * table.Frequencies[i]);
            float low = query[i], high = query[i + half];
            query[i] = (float)((low * cosine) + (high * sine)) / table.Magnitude;
            query[i + half] = (float)((high * cosine) - (low * sine)) / table.Magnitude;
        }
    }

    /// <summary>Running sums of a head's queries and their products, in fp64.</summary>
    private sealed class HeadSums(int dim)
    {
        private readonly double[] _sum = new double[dim], _products = new double[dim * dim];
        private int _count;

        public void Add(ReadOnlySpan<float> query)
        {
            _count++;
            for (int i = 0; i < dim; i++)
            {
                _sum[i] += query[i];
                for (int j = 0; j <= i; j++)
                    _products[(i * dim) + j] += (double)query[i] * query[j];
            }
        }

        public QueryMoments Moments()
        {
            float[] mean = [.. _sum.Select(s => (float)(s / _count))], covariance = new float[dim * dim];
            for (int i = 0; i < dim; i++)
            {
                for (int j = 0; j <= i; j++)
                    covariance[(i * dim) + j] = covariance[(j * dim) + i] = (float)((_products[(i * dim) + j] / _count) - (_sum[i] / _count * (_sum[j] / _count)));
            }

            return new QueryMoments(mean, covariance);
        }
    }
}
