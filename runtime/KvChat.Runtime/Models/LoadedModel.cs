using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.Runtime.Transformer;

namespace KvChat.Runtime.Models;

/// <summary>A model file made ready to answer: weights on a back end, tokeniser, chat template. The file itself is closed again.</summary>
public sealed class LoadedModel : IDisposable
{
    private readonly IComputeBackend _backend;

    private LoadedModel(IComputeBackend backend, TransformerModel transformer, Tokenizer tokenizer, string name, string? chatTemplate)
    {
        _backend = backend;
        Transformer = transformer;
        Tokenizer = tokenizer;
        Name = name;
        ChatTemplate = chatTemplate;
    }

    /// <summary>The model's name as its file says it, or the file's name.</summary>
    public string Name { get; }

    /// <summary>The file's chat template (Jinja), if it has one.</summary>
    public string? ChatTemplate { get; }

    /// <summary>The file's own tokeniser.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The model's shape.</summary>
    public TransformerConfiguration Configuration => Transformer.Configuration;

    /// <summary>The weights.</summary>
    public TransformerModel Transformer { get; }

    /// <summary>Loads a GGUF file; of a split one, any part.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="cpu">Settings of the CPU back end.</param>
    /// <param name="progress">Told the share that is loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    public static LoadedModel Load(string path, CpuBackendOptions? cpu = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using GgufFile file = GgufFile.Open(path);
        return Load(file, Path.GetFileNameWithoutExtension(path), cpu, progress, cancellationToken);
    }

    /// <summary>Loads an open GGUF file; it is not needed afterwards.</summary>
    /// <param name="file">The file.</param>
    /// <param name="fallbackName">Name of the model where the file has none.</param>
    /// <param name="cpu">Settings of the CPU back end.</param>
    /// <param name="progress">Told the share that is loaded, 0 to 1.</param>
    /// <param name="cancellationToken">Ends the loading between two layers.</param>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    public static LoadedModel Load(
        GgufFile file, string fallbackName, CpuBackendOptions? cpu = null, IProgress<double>? progress = null, CancellationToken cancellationToken = default) =>
        Load(file, fallbackName, new CpuBackend(cpu ?? new CpuBackendOptions()), progress, cancellationToken);

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
        ArgumentNullException.ThrowIfNull(backend);
        try
        {
            return LoadOn(backend, file, fallbackName, progress, cancellationToken);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    private static LoadedModel LoadOn(IComputeBackend backend, GgufFile file, string fallbackName, IProgress<double>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        TransformerConfiguration configuration = GgufConfiguration.Read(file);
        Tokenizer tokenizer = TokenizerFactory.FromGguf(file.Metadata);
        if (tokenizer.VocabularySize > configuration.VocabularySize)
        {
            throw new ModelFileException(
                "tokenizer.ggml.tokens", null, $"has {tokenizer.VocabularySize} entries; the embedding has {configuration.VocabularySize} rows.");
        }

        string name = file.Metadata.TryGetString("general.name", out string? said) && said.Length > 0 ? said : fallbackName;
        var transformer = TransformerModel.Load(
            configuration, TensorNames.Gguf, new GgufWeightSource(file), backend, pairedRows: GgufConfiguration.HasPairedRows(configuration.Architecture), progress, cancellationToken);
        return new LoadedModel(backend, transformer, tokenizer, name, file.Metadata.TryGetString("tokenizer.chat_template", out string? template) ? template : null);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Transformer.Dispose();
        _backend.Dispose();
    }
}
