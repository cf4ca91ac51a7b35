using KvChat.Answers;
using KvChat.Kernels;
using KvChat.Kernels.Cpu;
using KvChat.Kernels.Cuda;
using KvChat.Models;
using KvChat.Prompts;
using KvChat.Quality;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Sampling;
using KvChat.Runtime.Scheduling;

namespace KvChat.Loading;

/// <summary>A loaded model with its engine and all that turns messages into its prompts. Safe for concurrent use.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    private ServedModel(LoadedModel model, InferenceEngine engine, PromptBuilder prompts, KvCompression compression, QualityTarget quality)
    {
        Quality = quality;
        Model = model;
        Engine = engine;
        Prompts = prompts;
        Compression = compression;
        Allowance = new PromptAllowance(model.Tokenizer, engine.ContextTokens);
        Constraints = new AnswerConstraints(model.Tokenizer, prompts.Traits.ToolSyntax);
    }

    public LoadedModel Model { get; }

    public InferenceEngine Engine { get; }

    public PromptBuilder Prompts { get; }

    /// <summary>Refuses what cannot fit before it is rendered.</summary>
    public PromptAllowance Allowance { get; }

    /// <summary>What answers can be held to.</summary>
    public AnswerConstraints Constraints { get; }

    /// <summary>How tokens are drawn where the request does not say it.</summary>
    public SamplingOptions Sampling => Model.Sampling;

    /// <summary>How a request is compressed that does not say it.</summary>
    public KvCompression Compression { get; }

    /// <summary>What stands for a quality that is asked for.</summary>
    public QualityTarget Quality { get; }

    public static ServedModel Load(LocatedModel located, KvCompressChatOptions options, TimeProvider clock, IProgress<double> progress, CancellationToken cancellationToken)
    {
        IComputeBackend backend = options.BackendFactory?.Invoke(options.Threads) ?? ComputeBackends.Create(
            options.Backend,
            new CpuBackendOptions { Threads = options.Threads, Activations = options.Activations },
            new CudaBackendOptions { Device = options.CudaDevice, Products = options.CudaProducts });
        LoadedModel model = LoadedModel.Load(located.Path, located.Name, backend, progress, cancellationToken);
        try
        {
            if (options.TokenizerFactory is { } factory)
                model.UseTokenizer(factory);
            string measured = QualityTableFile.PathFor(located.Path);
            QualityTable? table = QualityTableFile.Read(measured, model.Name);
            var prompts = new PromptBuilder(options.ChatTemplate ?? model.ChatTemplate, model.Tokenizer, clock);
            var engine = new InferenceEngine(model.Transformer, KvCompressChatOptionsValidator.Engine(options));
            return new ServedModel(model, engine, prompts, options.Compression ?? DefaultCompression.For(model.Name), new QualityTarget(table, measured, model.Name, engine.Supports));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync().ConfigureAwait(false); // ends what is in flight, before the weights under it go
        Model.Dispose();
    }
}
