using KvChat.Kernels;
using KvChat.Runtime.Cache;
using KvChat.Runtime.Transformer;

namespace KvChat.TestSupport;

/// <summary>What a step of a <see cref="StepRunner"/> records about the KVs that its last rows look at.</summary>
/// <param name="Rows">Rows of the observation window.</param>
/// <param name="PoolWidth">Width of the max-pooling, odd.</param>
public readonly record struct ObservedRows(int Rows, int PoolWidth);

/// <summary>
/// A model's forward pass over a few sequences of its own, without scheduler and sampler: what comparisons with references and benchmarks
/// of whole steps need. A step allocates nothing once the sequences have their pages.
/// </summary>
public sealed class StepRunner : IDisposable
{
    private readonly TransformerConfiguration _shape;
    private readonly KvFormat _format;
    private readonly KvArena _arena;
    private readonly PagePool _pool;
    private readonly ForwardPass _pass;
    private readonly KvBatch _batch;
    private readonly SequenceCache[] _caches;
    private readonly int[] _lengths, _logitRows;

    /// <summary>Makes pool, buffers and empty sequences.</summary>
    /// <param name="model">The weights.</param>
    /// <param name="sequences">Number of sequences.</param>
    /// <param name="tokens">Longest sequence.</param>
    /// <param name="maxRows">Most rows of a step.</param>
    /// <param name="maxLogitRows">Most rows of a step whose logits are wanted.</param>
    /// <param name="format">How KVs are stored.</param>
    public StepRunner(TransformerModel model, int sequences, int tokens, int maxRows, int maxLogitRows, KvFormat format)
    {
        ArgumentNullException.ThrowIfNull(model);
        _shape = model.Configuration;
        _format = format;
        const int PageTokens = 16;
        int perHead = (tokens / new KvArenaShape(_shape.HeadDim, PageTokens, 1).PageTokens(format)) + 2;
        _arena = model.Backend.CreateArena(new KvArenaShape(_shape.HeadDim, PageTokens, checked(sequences * _shape.TotalKvHeads * perHead)));
        _pool = new PagePool(_arena);
        _pass = new ForwardPass(model, _arena, maxRows, maxLogitRows);
        _batch = new KvBatch { Sequences = new SequenceSlice[sequences], Positions = new int[maxRows], Heads = new HeadView[sequences * _shape.KvHeads] };
        _caches = new SequenceCache[sequences];
        _lengths = new int[sequences];
        _logitRows = new int[maxLogitRows];
        Clear();
    }

    /// <summary>The pool's memory.</summary>
    public KvArena Arena => _arena;

    /// <summary>The cache of a sequence.</summary>
    public SequenceCache Cache(int sequence) => _caches[sequence];

    /// <summary>Tokens that a sequence has read.</summary>
    public int Length(int sequence) => _lengths[sequence];

    /// <summary>Makes all sequences empty.</summary>
    public void Clear()
    {
        for (int i = 0; i < _caches.Length; i++)
        {
            _caches[i]?.Dispose();
            _caches[i] = new SequenceCache(_pool, _shape.Layers, _shape.KvHeads, _format);
            _lengths[i] = 0;
        }
    }

    /// <summary>Cuts all sequences back to their first tokens. Nothing may have been evicted.</summary>
    public void Truncate(int tokens)
    {
        for (int i = 0; i < _caches.Length; i++)
        {
            if (_lengths[i] <= tokens)
                continue;
            _caches[i].Truncate(tokens);
            _lengths[i] = tokens;
        }
    }

    /// <summary>One sequence reads tokens in one step.</summary>
    /// <param name="sequence">Which one.</param>
    /// <param name="tokens">Its next tokens.</param>
    /// <param name="logits">Rows at the end whose logits are wanted.</param>
    /// <param name="observed">What is recorded, or null.</param>
    public void Read(int sequence, ReadOnlySpan<int> tokens, int logits = 0, ObservedRows? observed = null)
    {
        _batch.SequenceCount = 1;
        _batch.RowCount = tokens.Length;
        PutSlice(0, sequence, 0, tokens.Length, observed);
        for (int i = 0; i < logits; i++)
            _logitRows[i] = tokens.Length - logits + i;
        _pass.Run(_batch, _caches.AsSpan(sequence, 1), tokens, _logitRows.AsSpan(0, logits));
        Commit(sequence, tokens.Length);
    }

    /// <summary>Every sequence reads the same number of tokens in one step.</summary>
    /// <param name="tokens">The tokens of the first sequence, then those of the next.</param>
    /// <param name="logits">Whether the logits of each sequence's last row are wanted.</param>
    public void ReadAll(ReadOnlySpan<int> tokens, bool logits)
    {
        int rows = tokens.Length / _caches.Length;
        _batch.SequenceCount = _caches.Length;
        _batch.RowCount = rows * _caches.Length;
        for (int i = 0; i < _caches.Length; i++)
        {
            PutSlice(i, i, i * rows, rows, null);
            _logitRows[Math.Min(i, _logitRows.Length - 1)] = ((i + 1) * rows) - 1;
        }

        _pass.Run(_batch, _caches, tokens[.._batch.RowCount], _logitRows.AsSpan(0, logits ? _caches.Length : 0));
        for (int i = 0; i < _caches.Length; i++)
            Commit(i, rows);
    }

    /// <summary>Copies the logits of the i-th row that the last step was asked for.</summary>
    public void ReadLogits(int index, Span<float> logits) => _pass.ReadLogits(index, logits);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SequenceCache cache in _caches)
            cache.Dispose();
        _pass.Dispose();
        _arena.Dispose();
    }

    private void PutSlice(int slot, int sequence, int firstRow, int rows, ObservedRows? observed)
    {
        if (!_caches[sequence].TryReserve(rows))
            throw new InvalidOperationException($"Sequence {sequence} of {_lengths[sequence]} tokens has no pages for {rows} more.");
        _batch.Sequences[slot] = new SequenceSlice
        {
            FirstRow = firstRow,
            RowCount = rows,
            Format = _format,
            UsesLongRotary = _lengths[sequence] + rows > _shape.ShortRotaryTokens,
            Observation = observed is null ? ObservationMode.None : ObservationMode.Window,
            ObservedRows = observed?.Rows ?? 0,
            PoolWidth = observed?.PoolWidth ?? 1,
            Squared = true,
        };
        for (int i = 0; i < rows; i++)
            _batch.Positions[firstRow + i] = _lengths[sequence] + i;
    }

    private void Commit(int sequence, int rows)
    {
        _caches[sequence].Commit(rows);
        _lengths[sequence] += rows;
    }
}
