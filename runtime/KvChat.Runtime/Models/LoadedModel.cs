using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Models.HuggingFace;
using KvChat.Runtime.Models.Safetensors;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Text;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models;

/// <summary>A model made ready to answer: weights on a back end, tokeniser, chat template. Its files are closed again.</summary>
public sealed class LoadedModel : IDisposable
{
    private readonly IComputeBackend _backend;
    private Tokenizer? _chosen;
    private Tokenizer _own = null!;

    private LoadedModel(IComputeBackend backend, TransformerModel transformer)
    {
        _backend = backend;
        Transformer = transformer;
        transformer.Calibration = new ModelCalibration(() => [.. _own.Encode(ModelCalibration.Text, allowSpecial: false).Ids], ModelCalibration.StandardFolder);
    }

    /// <summary>The model's name as its file says it, or the file's name.</summary>
    public required string Name { get; init; }

    /// <summary>The model's chat template (Jinja), if it has one.</summary>
    public string? ChatTemplate { get; private init; }

    /// <summary>How the model's files recommend to draw tokens; greedy where they recommend nothing.</summary>
    public required SamplingOptions Sampling { get; init; }

    /// <summary>The model's own tokeniser, or the one that <see cref="UseTokenizer"/> put before it.</summary>
    public required Tokenizer Tokenizer
    {
        get => _chosen ?? _own;
        init => _own = value;
    }

    /// <summary>The model's shape.</summary>
    public TransformerConfiguration Configuration => Transformer.Configuration;

    /// <summary>The weights.</summary>
    public TransformerModel Transformer { get; }

    /// <summary>Loads a model.</summary>
    /// <param name="path">
    /// A GGUF file (of a split one, any part), or a folder in the Hugging Face layout, or a file of such a folder: config.json with model.safetensors or its shards,
    /// tokenizer.json, and, where they are there, tokenizer_config.json, generation_config.json and chat_template.jinja.
    /// </param>
    /// <param name="cpu">Settings of the CPU back end.</param>
    /// <param name="progress">Told the share that is loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="FileNotFoundException">There is no such file, or one of the folder is missing.</exception>
    /// <exception cref="ModelFileException">A file is damaged or of a kind that is not supported.</exception>
    public static LoadedModel Load(string path, CpuBackendOptions? cpu = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Load(path, Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(path)), new CpuBackend(cpu ?? new CpuBackendOptions()), progress, cancellationToken);
    }

    /// <summary>Loads a model onto a back end.</summary>
    /// <param name="path">As <see cref="Load(string, CpuBackendOptions?, IProgress{double}?, CancellationToken)"/>.</param>
    /// <param name="fallbackName">Name of the model where its files have none.</param>
    /// <param name="backend">Where to; the model owns it from now on, and it is disposed if the loading fails.</param>
    /// <param name="progress">Told the share that is loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="FileNotFoundException">There is no such file, or one of the folder is missing.</exception>
    /// <exception cref="ModelFileException">A file is damaged or of a kind that is not supported.</exception>
    public static LoadedModel Load(
        string path, string fallbackName, IComputeBackend backend, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Owning(backend, () =>
        {
            if (ModelFolder.TryFind(path, out string folder))
                return LoadFolder(folder, fallbackName, backend, progress, cancellationToken);
            using GgufFile file = GgufFile.Open(path);
            return LoadFile(file, fallbackName, backend, progress, cancellationToken);
        });
    }

    /// <summary>Loads an open GGUF file onto a back end; the file is not needed afterwards.</summary>
    /// <param name="file">The file.</param>
    /// <param name="fallbackName">Name of the model where the file has none.</param>
    /// <param name="backend">Where to; the model owns it from now on, and it is disposed if the loading fails.</param>
    /// <param name="progress">Told the share that is loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    public static LoadedModel Load(
        GgufFile file, string fallbackName, IComputeBackend backend, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Owning(backend, () => LoadFile(file, fallbackName, backend, progress, cancellationToken));
    }

    /// <summary>Puts another tokeniser in place of the model's own. To be called before anything is made from the model.</summary>
    /// <param name="factory">Makes it from the model's own, whose ids both must share.</param>
    /// <exception cref="ArgumentException">It made none, or one of more tokens than the model has rows for.</exception>
    public void UseTokenizer(Func<Tokenizer, Tokenizer> factory)
    {
        ArgumentNullException.ThrowIfNull(factory);
        Tokenizer made = factory(_own) ?? throw new ArgumentException("The factory gave no tokeniser.", nameof(factory));
        if (made.VocabularySize > Configuration.VocabularySize)
            throw new ArgumentException($"The {made.GetType().Name} has {made.VocabularySize} tokens; the model has {Configuration.VocabularySize}. Both must have the same vocabulary.", nameof(factory));
        _chosen = made;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Transformer.Dispose();
        _backend.Dispose();
    }

    private static LoadedModel LoadFile(GgufFile file, string fallbackName, IComputeBackend backend, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        SamplingOptions sampling = RecommendedSampling.Of(file.Metadata);
        Tokenizer tokenizer = Fitting(TokenizerFactory.FromGguf(file.Metadata), configuration, "tokenizer.ggml.tokens");
        var transformer = TransformerModel.Load(
            configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, pairedRows: GgufConfiguration.HasPairedRows(configuration.Architecture), progress, cancellationToken);
        return new LoadedModel(backend, transformer)
        {
            Name = file.Metadata.TryGetString("general.name", out string? said) && said.Length > 0 ? said : fallbackName,
            ChatTemplate = file.Metadata.TryGetString("tokenizer.chat_template", out string? template) ? template : null,
            Tokenizer = tokenizer,
            Sampling = sampling,
        };
    }

    private static LoadedModel LoadFolder(string path, string name, IComputeBackend backend, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        using SafetensorsWeights weights = SafetensorsWeights.Open(path);
        (TransformerConfiguration configuration, TensorNames names) = HuggingFaceConfiguration.Read(path, weights);
        var folder = new ModelFolder(path);
        Tokenizer tokenizer = Fitting(folder.ReadTokenizer(), configuration, "tokenizer.json");
        var transformer = TransformerModel.Load(configuration, names, weights, backend, pairedRows: false, progress, cancellationToken);
        return new LoadedModel(backend, transformer) { Name = name, ChatTemplate = folder.ChatTemplate, Tokenizer = tokenizer, Sampling = folder.Sampling };
    }

    private static Tokenizer Fitting(Tokenizer tokenizer, TransformerConfiguration configuration, string field) => tokenizer.VocabularySize <= configuration.VocabularySize
        ? tokenizer
        : throw new ModelFileException(field, null, $"has {tokenizer.VocabularySize} entries; the embedding has {configuration.VocabularySize} rows.");

    private static LoadedModel Owning(IComputeBackend backend, Func<LoadedModel> load)
    {
        ArgumentNullException.ThrowIfNull(backend);
        try
        {
            return load();
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }
}
