using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Transformer;

/// <summary>
/// Runs a model once over a ragged batch: prompt chunks and single tokens of many sequences together. Holds the activations; one step at
/// a time.
/// </summary>
public sealed class ForwardPass : IDisposable
{
    private readonly TransformerModel _model;
    private readonly IComputeBackend _backend;
    private readonly KvArena _arena;
    private readonly DeviceTensor _stream, _queryKeyValue, _heads, _hidden, _lastStream, _lastHeads, _lastHidden, _logits;

    /// <summary>Makes the buffers of a pass.</summary>
    /// <param name="model">The weights.</param>
    /// <param name="arena">Where the sequences' pages are.</param>
    /// <param name="maxRows">Most rows of a step.</param>
    /// <param name="maxLogitRows">Most rows of a step whose logits are wanted.</param>
    public ForwardPass(TransformerModel model, KvArena arena, int maxRows, int maxLogitRows)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(arena);
        _model = model;
        _backend = model.Backend;
        _arena = arena;
        MaxRows = maxRows;
        MaxLogitRows = maxLogitRows;
        TransformerConfiguration c = model.Configuration;
        int queries = c.QueryHeads * c.HeadDim;
        _stream = _backend.CreateTensor(maxRows, c.Width);
        _queryKeyValue = _backend.CreateTensor(maxRows, queries + (2 * c.KvHeads * c.HeadDim));
        _heads = _backend.CreateTensor(maxRows, queries);
        _hidden = _backend.CreateTensor(maxRows, c.HiddenWidth);
        _lastStream = _backend.CreateTensor(maxLogitRows, c.Width);
        _lastHeads = _backend.CreateTensor(maxLogitRows, queries);
        _lastHidden = _backend.CreateTensor(maxLogitRows, c.HiddenWidth);
        _logits = _backend.CreateTensor(maxLogitRows, c.VocabularySize);
    }

    /// <summary>Most rows of a step.</summary>
    public int MaxRows { get; }

    /// <summary>Most rows of a step whose logits are wanted.</summary>
    public int MaxLogitRows { get; }

    /// <summary>
    /// Reads the batch's tokens: appends their KVs to the sequences' reserved pages (the caller commits them) and computes the logits of the
    /// rows that are asked for.
    /// </summary>
    /// <param name="batch">Slices and positions; the heads are filled in here, layer by layer.</param>
    /// <param name="caches">The caches of the batch's sequences, in its order, with pages reserved for their rows.</param>
    /// <param name="tokens">One per row of the batch.</param>
    /// <param name="logitRows">Rows whose logits are wanted, ascending.</param>
    /// <exception cref="ArgumentException">More rows than the pass was made for.</exception>
    public void Run(KvBatch batch, ReadOnlySpan<SequenceCache> caches, ReadOnlySpan<int> tokens, ReadOnlySpan<int> logitRows)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (tokens.Length == 0 || tokens.Length > MaxRows || tokens.Length != batch.RowCount)
            throw new ArgumentException($"{tokens.Length} tokens for {batch.RowCount} rows; the pass was made for at most {MaxRows}.", nameof(tokens));
        if (logitRows.Length > MaxLogitRows)
            throw new ArgumentException($"Logits of {logitRows.Length} rows; the pass was made for at most {MaxLogitRows}.", nameof(logitRows));
        _backend.Embed(_model.Embedding, tokens, _stream, _model.Configuration.EmbeddingScale);
        int last = _model.Layers.Count - 1;
        for (int layer = 0; layer <= last; layer++)
        {
            Attention(_model.Layers[layer], layer, batch, caches);
            if (layer < last)
                FeedForward(_model.Layers[layer], _heads, _stream, _hidden, tokens.Length);
        }

        if (logitRows.Length > 0)
            Finish(_model.Layers[last], logitRows);
    }

    /// <summary>Copies the logits of the i-th row that the last <see cref="Run"/> was asked for, <c>[vocabulary]</c>.</summary>
    public void ReadLogits(int index, Span<float> logits) => _backend.Read(_logits, index, logits);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceTensor tensor in (ReadOnlySpan<DeviceTensor>)[_stream, _queryKeyValue, _heads, _hidden, _lastStream, _lastHeads, _lastHidden, _logits])
            tensor.Dispose();
    }

    private void Attention(TransformerLayer weights, int layer, KvBatch batch, ReadOnlySpan<SequenceCache> caches)
    {
        TransformerConfiguration c = _model.Configuration;
        LayerConfiguration own = c.PerLayer[layer];
        for (int s = 0; s < caches.Length; s++)
            caches[s].FillViews(layer, batch.Heads.AsSpan(s * c.KvHeads, c.KvHeads));
        _backend.Linear(new LinearOperation
        {
            Input = _stream,
            Rows = batch.RowCount,
            Norm = weights.AttentionNorm,
            NormEpsilon = c.NormEpsilon,
            Weight = weights.QueryKeyValue,
            Bias = weights.QueryKeyValueBias,
            Output = _queryKeyValue,
        });
        _backend.Append(new AppendOperation
        {
            QueryKeyValue = _queryKeyValue,
            QueryHeads = c.QueryHeads,
            KvHeads = c.KvHeads,
            Arena = _arena,
            Batch = batch,
            Rotary = own.Rotary is { } table ? _model.Rotaries[table] : null,
            QueryNorm = weights.QueryNorm,
            KeyNorm = weights.KeyNorm,
            NormEpsilon = c.NormEpsilon,
        });
        _backend.Attend(new AttentionOperation
        {
            QueryKeyValue = _queryKeyValue,
            QueryHeads = c.QueryHeads,
            KvHeads = c.KvHeads,
            Arena = _arena,
            Batch = batch,
            Output = _heads,
            Scale = c.AttentionScale,
            SoftCap = c.AttentionSoftCap,
            SlidingWindow = own.SlidingWindow,
        });
    }

    /// <summary>Everything of a layer behind attention; it works on rows alone, so that the last layer can leave out those that nobody asks for.</summary>
    private void FeedForward(TransformerLayer weights, DeviceTensor heads, DeviceTensor stream, DeviceTensor hidden, int rows)
    {
        TransformerConfiguration c = _model.Configuration;
        _backend.Linear(new LinearOperation
        {
            Input = heads,
            Rows = rows,
            Weight = weights.AttentionOutput,
            Bias = weights.AttentionOutputBias,
            Output = stream,
            Epilogue = LinearEpilogue.Add,
            Scale = c.ResidualScale,
        });
        _backend.Linear(new LinearOperation
        {
            Input = stream,
            Rows = rows,
            Norm = weights.FeedForwardNorm,
            NormEpsilon = c.NormEpsilon,
            Weight = weights.GateUp,
            Bias = weights.GateUpBias,
            Output = hidden,
            Epilogue = c.Activation,
        });
        _backend.Linear(new LinearOperation
        {
            Input = hidden,
            Rows = rows,
            Weight = weights.Down,
            Bias = weights.DownBias,
            Output = stream,
            Epilogue = LinearEpilogue.Add,
            Scale = c.ResidualScale,
        });
    }

    private void Finish(TransformerLayer lastLayer, ReadOnlySpan<int> logitRows)
    {
        _backend.Gather(_heads, logitRows, _lastHeads);
        _backend.Gather(_stream, logitRows, _lastStream);
        FeedForward(lastLayer, _lastHeads, _lastStream, _lastHidden, logitRows.Length);
        _backend.Linear(new LinearOperation
        {
            Input = _lastStream,
            Rows = logitRows.Length,
            Norm = _model.OutputNorm,
            NormEpsilon = _model.Configuration.NormEpsilon,
            Weight = _model.Output,
            Output = _logits,
            Scale = _model.Configuration.LogitScale,
        });
    }
}
