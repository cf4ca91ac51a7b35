using KvChat.Kernels;
using KvChat.Runtime.Compression;
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

    /// <summary>What some compression policies have to know of the model beyond its weights.</summary>
    public ModelCalibration Calibration { get; internal set; } = new(static () => [], folder: null);

    internal DeviceMatrix Embedding { get; private set; } = null!;

    internal DeviceMatrix Output { get; private set; } = null!;

    internal DeviceVector OutputNorm { get; private set; } = null!;

    /// <summary>Tables of rotary angles, as the configuration lists them.</summary>
    internal IReadOnlyList<DeviceRotary> Rotaries { get; private set; } = [];

    /// <summary>The same for sequences longer than their original context, where a table has two; null elsewhere.</summary>
    internal IReadOnlyList<DeviceRotary?> LongRotaries { get; private set; } = [];

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
        CheckLayers(configuration);
        var model = new TransformerModel(configuration, backend);
        var loader = new LayerLoader(configuration, names, source, backend, model._owned, pairedRows ? configuration.HeadDim : 0);
        try
        {
            model.LoadEnds(names, source, loader);
            var layers = new TransformerLayer[configuration.Layers];
            for (int i = 0; i < layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                layers[i] = loader.Load(i);
                progress?.Report((i + 1.0) / layers.Length);
            }

            model.Layers = layers;
            model.WeightBytes = loader.WeightBytes;
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

    private static void CheckLayers(TransformerConfiguration c)
    {
        foreach (LayerConfiguration layer in c.PerLayer)
        {
            if (layer.Rotary is { } table && (uint)table >= (uint)c.Rotaries.Count)
                throw new ArgumentException($"A layer names rotary table {table}; there are {c.Rotaries.Count}.", nameof(c));
            if (layer.HasExperts && c.Experts is null)
                throw new ArgumentException("A layer has experts, but the configuration says nothing of them.", nameof(c));
        }
    }

    private void LoadEnds(TensorNames names, IWeightSource source, LayerLoader loader)
    {
        TransformerConfiguration c = Configuration;
        Embedding = loader.Matrix(source.Matrix(names.Embedding, c.VocabularySize, c.Width));
        Output = names.Output != names.Embedding && source.Has(names.Output) ? loader.Matrix(source.Matrix(names.Output, c.VocabularySize, c.Width)) : Embedding;
        OutputNorm = loader.Norm(names.OutputNorm, c.Width);
        Rotaries = [.. c.Rotaries.Select(rotary => MakeRotary(rotary, isLong: false))];
        LongRotaries = [.. c.Rotaries.Select(rotary => rotary.Scaling is RotaryScaling.LongRopeScaling ? MakeRotary(rotary, isLong: true) : null)];
    }

    private DeviceRotary MakeRotary(RotaryConfiguration rotary, bool isLong)
    {
        RotaryTable table = RotaryFrequencies.Of(rotary, isLong);
        return Own(Backend.CreateRotary(table.Frequencies, table.Magnitude));
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }
}
