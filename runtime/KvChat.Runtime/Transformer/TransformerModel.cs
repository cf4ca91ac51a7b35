using KvChat.Kernels;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Transformer;

/// <summary>A model's weights on a back end, ready for forward passes. Immutable after loading; any number of passes may use it in turn.</summary>
public sealed class TransformerModel : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    private TransformerModel(TransformerConfiguration configuration, IComputeBackend backend)
    {
        Configuration = configuration;
        Backend = backend;
    }

    /// <summary>The model's shape.</summary>
    public TransformerConfiguration Configuration { get; }

    /// <summary>Where the weights are.</summary>
    public IComputeBackend Backend { get; }

    /// <summary>Bytes of the weights in the back end's memory.</summary>
    public long WeightBytes { get; private set; }

    internal DeviceMatrix Embedding { get; private set; } = null!;

    internal DeviceMatrix Output { get; private set; } = null!;

    internal DeviceVector OutputNorm { get; private set; } = null!;

    /// <summary>Tables of rotary angles, as the configuration lists them.</summary>
    internal IReadOnlyList<DeviceRotary> Rotaries { get; private set; } = [];

    internal IReadOnlyList<TransformerLayer> Layers { get; private set; } = [];

    /// <summary>Uploads the weights of a model file.</summary>
    /// <param name="configuration">Shape, as the file's metadata tell.</param>
    /// <param name="names">What the file calls its tensors.</param>
    /// <param name="source">The file; not needed afterwards.</param>
    /// <param name="backend">Where to; it must outlive the model.</param>
    /// <param name="pairedRows">Whether query and key rows keep their rotary pairs side by side; see <see cref="MatrixData.PairedHeadDim"/>.</param>
    /// <param name="progress">Told the share of layers that are loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="ModelFileException">A tensor is missing or has the wrong shape.</exception>
    public static TransformerModel Load(
        TransformerConfiguration configuration, TensorNames names, IWeightSource source, IComputeBackend backend, bool pairedRows,
        IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(backend);
        var model = new TransformerModel(configuration, backend);
        try
        {
            model.LoadEnds(names, source);
            var layers = new TransformerLayer[configuration.Layers];
            for (int i = 0; i < layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                layers[i] = model.LoadLayer(names, source, i, pairedRows ? configuration.HeadDim : 0);
                progress?.Report((i + 1.0) / layers.Length);
            }

            model.Layers = layers;
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable item in _owned)
            item.Dispose();
        _owned.Clear();
    }

    private void LoadEnds(TensorNames names, IWeightSource source)
    {
        TransformerConfiguration c = Configuration;
        Embedding = Matrix(source.Matrix(names.Embedding, c.VocabularySize, c.Width));
        Output = source.Has(names.Output) ? Matrix(source.Matrix(names.Output, c.VocabularySize, c.Width)) : Embedding;
        OutputNorm = Own(Backend.CreateVector(source.Vector(names.OutputNorm, c.Width)));
        Rotaries = [.. c.Rotaries.Select(rotary => MakeRotary(rotary, isLong: false))];
    }

    private TransformerLayer LoadLayer(TensorNames names, IWeightSource source, int layer, int pairedHeadDim)
    {
        TransformerConfiguration c = Configuration;
        int queries = c.QueryHeads * c.HeadDim, keys = c.KvHeads * c.HeadDim;
        string Name(string pattern) => TensorNames.Of(pattern, layer);
        MatrixData Weight(string pattern, int rows, int columns, int paired = 0) => source.Matrix(Name(pattern) + ".weight", rows, columns, paired);
        return new TransformerLayer
        {
            AttentionNorm = Own(Backend.CreateVector(source.Vector(Name(names.AttentionNorm), c.Width))),
            QueryKeyValue = Matrix(
                Weight(names.Query, queries, c.Width, pairedHeadDim), Weight(names.Key, keys, c.Width, pairedHeadDim), Weight(names.Value, keys, c.Width)),
            QueryKeyValueBias = Bias(source, (Name(names.Query), queries, pairedHeadDim), (Name(names.Key), keys, pairedHeadDim), (Name(names.Value), keys, 0)),
            QueryNorm = HeadNorm(source, Name(names.QueryNorm)),
            KeyNorm = HeadNorm(source, Name(names.KeyNorm)),
            AttentionOutput = Matrix(Weight(names.AttentionOutput, c.Width, queries)),
            AttentionOutputBias = Bias(source, (Name(names.AttentionOutput), c.Width, 0)),
            FeedForwardNorm = Own(Backend.CreateVector(source.Vector(Name(names.FeedForwardNorm), c.Width))),
            GateUp = Matrix(Weight(names.Gate, c.HiddenWidth, c.Width), Weight(names.Up, c.HiddenWidth, c.Width)),
            GateUpBias = Bias(source, (Name(names.Gate), c.HiddenWidth, 0), (Name(names.Up), c.HiddenWidth, 0)),
            Down = Matrix(Weight(names.Down, c.Width, c.HiddenWidth)),
            DownBias = Bias(source, (Name(names.Down), c.Width, 0)),
        };
    }

    private DeviceRotary MakeRotary(RotaryConfiguration rotary, bool isLong)
    {
        RotaryTable table = RotaryFrequencies.Of(rotary, isLong);
        return Own(Backend.CreateRotary(table.Frequencies, table.Magnitude));
    }

    private DeviceVector? HeadNorm(IWeightSource source, string name) =>
        Configuration.QueryKeyNorm == QueryKeyNorm.PerHead ? Own(Backend.CreateVector(source.Vector(name, Configuration.HeadDim))) : null;

    private DeviceMatrix Matrix(params ReadOnlySpan<MatrixData> parts)
    {
        DeviceMatrix matrix = Own(Backend.LoadMatrix(parts));
        WeightBytes += matrix.Bytes;
        return matrix;
    }

    /// <summary>The biases of stacked projections as one vector; parts without one count as zeros; null where none has one.</summary>
    private DeviceVector? Bias(IWeightSource source, params ReadOnlySpan<(string Name, int Length, int PairedHeadDim)> parts)
    {
        var values = new List<float>();
        bool any = false;
        foreach ((string name, int length, int paired) in parts)
        {
            bool has = source.Has(name + ".bias");
            any |= has;
            float[] read = has ? source.Vector(name + ".bias", length) : new float[length];
            unsafe
            {
                var order = new MatrixData(default, length, 1, null, paired);
                for (int i = 0; i < length; i++)
                    values.Add(read[order.SourceRow(i)]);
            }
        }

        return any ? Own(Backend.CreateVector(values.ToArray())) : null;
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}

/// <summary>Weights of one layer.</summary>
internal sealed class TransformerLayer
{
    public required DeviceVector AttentionNorm { get; init; }

    public required DeviceMatrix QueryKeyValue { get; init; }

    public required DeviceVector? QueryKeyValueBias { get; init; }

    public required DeviceVector? QueryNorm { get; init; }

    public required DeviceVector? KeyNorm { get; init; }

    public required DeviceMatrix AttentionOutput { get; init; }

    public required DeviceVector? AttentionOutputBias { get; init; }

    public required DeviceVector FeedForwardNorm { get; init; }

    public required DeviceMatrix GateUp { get; init; }

    public required DeviceVector? GateUpBias { get; init; }

    public required DeviceMatrix Down { get; init; }

    public required DeviceVector? DownBias { get; init; }
}
