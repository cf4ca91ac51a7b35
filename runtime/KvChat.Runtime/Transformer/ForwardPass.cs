using System.Numerics.Tensors;
using KvChat.Kernels;
using KvChat.Runtime.Cache;

namespace KvChat.Runtime.Transformer;

/// <summary>
/// Runs a model once over a ragged batch: prompt chunks and single tokens of many sequences together. Holds the activations; one step at
/// a time.
/// </summary>
public sealed class ForwardPass : IDisposable
{
    private const float LeastLength = 1e-20f;
    private readonly TransformerModel _model;
    private readonly IComputeBackend _backend;
    private readonly KvArena _arena;
    private readonly DeviceTensor _stream, _queryKeyValue, _heads, _lastStream, _lastHeads, _logits;
    private readonly DeviceTensor? _hidden, _part;
    private float[]? _rowWeights, _row;

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
        _hidden = c.PerLayer.Any(l => !l.HasExperts) ? _backend.CreateTensor(Math.Max(maxRows, maxLogitRows), c.HiddenWidth) : null;
        _part = c.Norms == NormPlacement.Before ? null : _backend.CreateTensor(Math.Max(maxRows, maxLogitRows), c.Width);
        _lastStream = _backend.CreateTensor(maxLogitRows, c.Width);
        _lastHeads = _backend.CreateTensor(maxLogitRows, queries);
        _logits = _backend.CreateTensor(maxLogitRows, c.VocabularySize);
    }

    /// <summary>Told each layer and the residual stream that it gets; null for nobody.</summary>
    internal Action<int, DeviceTensor>? BeforeLayer { get; set; }

    /// <summary>Told each layer and the tensor of its queries, keys and values when they have been rotated; null for nobody.</summary>
    internal Action<int, DeviceTensor>? AfterAppend { get; set; }

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
    /// <param name="overHidden">Per sequence whether what its rows record is divided by the length of their hidden states; may be empty.</param>
    /// <exception cref="ArgumentException">More rows than the pass was made for.</exception>
    public void Run(KvBatch batch, ReadOnlySpan<SequenceCache> caches, ReadOnlySpan<int> tokens, ReadOnlySpan<int> logitRows, ReadOnlySpan<bool> overHidden = default)
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
            BeforeLayer?.Invoke(layer, _stream);
            WeighRows(batch, overHidden);
            Attention(_model.Layers[layer], layer, batch, caches);
            if (layer < last)
                Rest(_model.Layers[layer], _heads, _stream, tokens.Length);
        }

        if (logitRows.Length > 0)
            Finish(_model.Layers[last], logitRows);
    }

    /// <summary>Copies the logits of the i-th row that the last <see cref="Run"/> was asked for, <c>[vocabulary]</c>.</summary>
    public void ReadLogits(int index, Span<float> logits) => _backend.Read(_logits, index, logits);

    /// <summary>Finds the largest logits of the first rows that the last <see cref="Run"/> was asked for; see <see cref="IComputeBackend.FindTop"/>.</summary>
    internal void FindTop(int rows, Span<int> tokens, Span<float> logits) => _backend.FindTop(_logits, rows, tokens, logits);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DeviceTensor? tensor in (ReadOnlySpan<DeviceTensor?>)[_stream, _queryKeyValue, _heads, _hidden, _part, _lastStream, _lastHeads, _logits])
            tensor?.Dispose();
    }

    /// <summary>Factors of what rows record: one over the length of what the layer gets from the residual stream, for the sequences that want it.</summary>
    private void WeighRows(KvBatch batch, ReadOnlySpan<bool> overHidden)
    {
        batch.RowWeights = null;
        if (!overHidden.Contains(true))
            return;
        _rowWeights ??= new float[MaxRows];
        _row ??= new float[_model.Configuration.Width];
        batch.RowWeights = _rowWeights;
        _rowWeights.AsSpan(0, batch.RowCount).Fill(1);
        for (int i = 0; i < overHidden.Length; i++)
        {
            if (!overHidden[i])
                continue;
            SequenceSlice slice = batch.Sequences[i];
            for (int row = slice.FirstRow + slice.RowCount - slice.ObservedRows; row < slice.FirstRow + slice.RowCount; row++)
            {
                _backend.Read(_stream, row, _row);
                _rowWeights[row] = 1 / MathF.Max(LeastLength, TensorPrimitives.Norm<float>(_row));
            }
        }
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
            LongRotary = own.Rotary is { } other ? _model.LongRotaries[other] : null,
            QueryNorm = weights.QueryNorm,
            KeyNorm = weights.KeyNorm,
            NormEpsilon = c.NormEpsilon,
        });
        AfterAppend?.Invoke(layer, _queryKeyValue);
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
    private void Rest(TransformerLayer weights, DeviceTensor heads, DeviceTensor stream, int rows)
    {
        Project(heads, rows, weights.AttentionOutput, weights.AttentionOutputBias, weights.PostAttentionNorm, stream);
        if (weights.Experts is { } experts)
            Experts(weights, experts, stream, rows);
        else
            FeedForward(weights, weights.Dense!, stream, rows);
    }

    private void FeedForward(TransformerLayer weights, FeedForwardWeights dense, DeviceTensor stream, int rows)
    {
        _backend.Linear(new LinearOperation
        {
            Input = stream,
            Rows = rows,
            Norm = weights.FeedForwardNorm,
            NormEpsilon = _model.Configuration.NormEpsilon,
            Weight = dense.GateUp,
            Bias = dense.GateUpBias,
            Output = _hidden!,
            Epilogue = _model.Configuration.Activation,
        });
        Project(_hidden!, rows, dense.Down, dense.DownBias, weights.PostFeedForwardNorm, stream);
    }

    private void Experts(TransformerLayer weights, ExpertWeights experts, DeviceTensor stream, int rows)
    {
        TransformerConfiguration c = _model.Configuration;
        bool isNormed = weights.PostFeedForwardNorm is not null;
        _backend.Experts(new ExpertOperation
        {
            Input = stream,
            Rows = rows,
            Norm = weights.FeedForwardNorm,
            NormEpsilon = c.NormEpsilon,
            Router = experts.Router,
            GateUp = experts.GateUp,
            Down = experts.Down,
            PerRow = c.Experts!.PerToken,
            Normalises = c.Experts.Normalises,
            Activation = c.Activation,
            Output = isNormed ? _part! : stream,
            Adds = !isNormed,
            Scale = isNormed ? 1 : c.ResidualScale,
        });
        if (isNormed)
            AddNormed(weights.PostFeedForwardNorm!, stream, rows);
    }

    /// <summary>The last projection of a layer's part, added to the residual stream: as it is, or by way of a norm.</summary>
    private void Project(DeviceTensor input, int rows, DeviceMatrix weight, DeviceVector? bias, DeviceVector? norm, DeviceTensor stream)
    {
        _backend.Linear(new LinearOperation
        {
            Input = input,
            Rows = rows,
            Weight = weight,
            Bias = bias,
            Output = norm is null ? stream : _part!,
            Epilogue = norm is null ? LinearEpilogue.Add : LinearEpilogue.Store,
            Scale = norm is null ? _model.Configuration.ResidualScale : 1,
        });
        if (norm is not null)
            AddNormed(norm, stream, rows);
    }

    private void AddNormed(DeviceVector norm, DeviceTensor stream, int rows) => _backend.AddNormed(new NormOperation
    {
        Input = _part!,
        Rows = rows,
        Norm = norm,
        NormEpsilon = _model.Configuration.NormEpsilon,
        Output = stream,
        Scale = _model.Configuration.ResidualScale,
    });

    private void Finish(TransformerLayer lastLayer, ReadOnlySpan<int> logitRows)
    {
        _backend.Gather(_heads, logitRows, _lastHeads);
        _backend.Gather(_stream, logitRows, _lastStream);
        Rest(lastLayer, _lastHeads, _lastStream, logitRows.Length);
        _backend.Linear(new LinearOperation
        {
            Input = _lastStream,
            Rows = logitRows.Length,
            Norm = _model.OutputNorm,
            NormEpsilon = _model.Configuration.NormEpsilon,
            Weight = _model.Output,
            Output = _logits,
            Scale = _model.Configuration.LogitScale,
            SoftCap = _model.Configuration.LogitSoftCap,
        });
    }
}
