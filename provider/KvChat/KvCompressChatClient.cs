using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using KvChat.Answers;
using KvChat.Documents;
using KvChat.Health;
using KvChat.Loading;
using KvChat.Models;
using KvChat.Prompts;
using KvChat.Quality;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Models;
using KvChat.Runtime.Scheduling;
using KvChat.Telemetry;
using KvChat.Templates;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KvChat;

/// <summary>
/// An <see cref="IChatClient"/> over a local model whose KV cache is paged per attention head and compressed. Safe for concurrent use: all requests share
/// one engine, which runs them side by side. The client keeps no history, yet reads only what is new of a conversation that goes on.
/// </summary>
public sealed partial class KvCompressChatClient : IChatClient, IAsyncDisposable
{
    /// <summary>The provider's name in <see cref="ChatClientMetadata"/>.</summary>
    public const string ProviderName = "kvchat";

    private readonly KvCompressChatOptions _options;
    private readonly ModelHost _host;
    private readonly OptionReader _reader;
    private readonly ChatClientMetadata _metadata;
    private readonly TimeProvider _clock;
    private readonly ClientTelemetry _telemetry;
    private readonly DocumentStore _documents;

    /// <summary>Makes a client that loads its model when it is first asked.</summary>
    /// <param name="options">Settings; they are not looked at again.</param>
    /// <param name="loggerFactory">Where the log goes; null for nowhere.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A setting is not right.</exception>
    public KvCompressChatClient(KvCompressChatOptions options, ILoggerFactory? loggerFactory = null)
        : this(options, loggerFactory, TimeProvider.System)
    {
    }

    internal KvCompressChatClient(KvCompressChatOptions options, ILoggerFactory? loggerFactory, TimeProvider clock, ModelLocator? locator = null, IMeterFactory? meters = null, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        KvCompressChatOptionsValidator.ThrowIfInvalid(options);
        _options = options.Copy();
        _clock = clock;
        ILogger logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger(typeof(KvCompressChatClient).FullName!);
        _host = new ModelHost(_options, locator ?? new ModelLocator(), clock, logger);
        _reader = new OptionReader(this, logger);
        _documents = new DocumentStore(this);
        _metadata = new ChatClientMetadata(ProviderName, null, _options.ModelId ?? ModelReference.Parse(_options.Model).Name);
        _telemetry = new ClientTelemetry(ModelId, name, meters, clock, logger, () => Statistics);
        PoolWatch = new PoolWatch(clock);
    }

    /// <summary>How far the loading of the model is.</summary>
    public ModelLoadingProgress Loading => _host.Progress.Current;

    internal bool LoadsInBackground => _options.LoadInBackground;

    /// <summary>The model and what surrounds it; null before it is loaded.</summary>
    internal ServedModel? Served => _host.Current;

    /// <summary>What the engine does; null while there is none.</summary>
    internal EngineStatistics? Statistics => _host.Current?.Engine.GetStatistics();

    /// <summary>Shared by all health checks of this client.</summary>
    internal PoolWatch PoolWatch { get; }

    private string ModelId => _metadata.DefaultModelId!;

    /// <summary>Makes a client and loads its model.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="loggerFactory">Where the log goes; null for nowhere.</param>
    /// <param name="cancellationToken">Ends the loading.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A setting is not right.</exception>
    /// <exception cref="ModelNotFoundException">There is no model of that name, or there are several.</exception>
    /// <exception cref="ModelDownloadException">The model could not be fetched from the hub.</exception>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template cannot be read, or it has none and does not know the default.</exception>
    public static async Task<KvCompressChatClient> LoadAsync(
        KvCompressChatOptions options, ILoggerFactory? loggerFactory = null, CancellationToken cancellationToken = default)
    {
        var client = new KvCompressChatClient(options, loggerFactory);
        try
        {
            await client.EnsureLoadedAsync(cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Makes a client and loads its model, while the caller waits; see <see cref="LoadAsync"/>.</summary>
    public static KvCompressChatClient Load(KvCompressChatOptions options, ILoggerFactory? loggerFactory = null) =>
        LoadAsync(options, loggerFactory).GetAwaiter().GetResult();

    /// <summary>Loads the model, unless that has been done. Without it the first request does. A loading that failed is tried again by the next call.</summary>
    /// <param name="cancellationToken">Ends the waiting; the loading goes on, as others may wait for it.</param>
    /// <exception cref="ModelNotFoundException">There is no model of that name, or there are several.</exception>
    /// <exception cref="ModelDownloadException">The model could not be fetched from the hub.</exception>
    /// <exception cref="ModelFileException">The file is damaged or of a kind that is not supported.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template cannot be read, or it has none and does not know the default.</exception>
    /// <exception cref="ObjectDisposedException">The client has been disposed.</exception>
    public Task EnsureLoadedAsync(CancellationToken cancellationToken = default) => _host.GetAsync(cancellationToken);

    /// <summary>Loads the model as <see cref="EnsureLoadedAsync(CancellationToken)"/> does, and says how far it is.</summary>
    /// <param name="progress">Told at once how far the loading is, and of every step until this call ends, on the thread that loads; null for nobody.</param>
    /// <param name="cancellationToken">Ends the waiting; the loading goes on, as others may wait for it.</param>
    public async Task EnsureLoadedAsync(IProgress<ModelLoadingProgress>? progress, CancellationToken cancellationToken = default)
    {
        if (progress is not null)
            _host.Progress.Add(progress);
        try
        {
            await EnsureLoadedAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (progress is not null)
                _host.Progress.Remove(progress);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An option or a content cannot be honoured; the message names it.</exception>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it.</exception>
    /// <exception cref="KvCapacityException">The request needs more context or cache than there is.</exception>
    /// <exception cref="KvQueueFullException">Too many requests wait.</exception>
    /// <exception cref="ChatTemplateException">The chat template refused the conversation.</exception>
    /// <exception cref="ObjectDisposedException">The client has been disposed.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return AnswerAsync([.. messages], options, cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Throws what <see cref="GetResponseAsync"/> throws. Breaking the enumeration off ends the request.</remarks>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return StreamAsync([.. messages], options, cancellationToken);
    }

    /// <summary>
    /// Gives <see cref="ChatClientMetadata"/>, this client, and, once the model has been loaded, its <see cref="InferenceEngine"/> and
    /// <see cref="LoadedModel"/>; null for anything else, and with a key.
    /// </summary>
    /// <param name="serviceType">What is wanted.</param>
    /// <param name="serviceKey">Null; nothing here has a key.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return _metadata;
        if (serviceType == typeof(InferenceEngine))
            return _host.Current?.Engine;
        if (serviceType == typeof(LoadedModel))
            return _host.Current?.Model;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Ends all requests and gives model and cache back.</summary>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Ends all requests and gives model and cache back.</summary>
    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync().ConfigureAwait(false);
        _telemetry.Dispose();
    }

    private async Task<ChatResponse> AnswerAsync(ChatMessage[] messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in StreamAsync(messages, options, cancellationToken).ConfigureAwait(false))
            updates.Add(update);
        ChatResponse response = updates.ToChatResponse();
        response.RawRepresentation = updates[^1].RawRepresentation;
        response.AdditionalProperties = updates[^1].AdditionalProperties ?? response.AdditionalProperties;
        return response;
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        ChatMessage[] messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using RequestTrace trace = _telemetry.Start(options, ModelId);
        AnswerStream answer = await trace.Guard(PrepareAsync(messages, options, cancellationToken)).ConfigureAwait(false);
        IAsyncEnumerator<ChatResponseUpdate> updates = answer.ReadAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (updates.ConfigureAwait(false))
        {
            while (await trace.Guard(updates.MoveNextAsync()).ConfigureAwait(false))
            {
                trace.Note(updates.Current);
                yield return updates.Current;
            }
        }
    }

    private async ValueTask<AnswerStream> PrepareAsync(ChatMessage[] messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        ServedModel served = await _host.GetAsync(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        PromptBuilder prompts = served.Prompts;
        KvDocument? document = _documents.First(messages);
        RequestDefaults defaults = Defaults(served, document is null ? served.Compression : KvCompression.Off with { Format = document.Compression.Format });
        RequestSettings settings = _reader.Read(options, defaults, prompts.Traits);
        served.Allowance.Check(messages, settings.Instructions);
        BuiltPrompt prompt = prompts.Build(messages, settings, _documents);
        return new AnswerStream(served, prompt, WithQuality(served, settings, prompt, document, IsLaterTurn(messages)), ModelId, _clock.GetUtcNow());
    }
}
