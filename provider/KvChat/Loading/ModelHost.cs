using System.Diagnostics;
using KvChat.Models;
using Microsoft.Extensions.Logging;

namespace KvChat.Loading;

/// <summary>Loads the model once, when it is first wanted, on a thread of its own; a loading that failed is tried again by the next call.</summary>
internal sealed class ModelHost(KvCompressChatOptions options, ModelLocator locator, TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _disposing = new();
    private readonly LoadingReporter _progress = new(options.Model, logger);
    private Task<ServedModel>? _loading;
    private Task? _disposal;

    /// <summary>How far the loading is.</summary>
    public LoadingReporter Progress => _progress;

    /// <summary>The model, if it has been loaded.</summary>
    public ServedModel? Current
    {
        get
        {
            lock (_gate)
                return _disposal is null && _loading is { IsCompletedSuccessfully: true } ? _loading.Result : null;
        }
    }

    /// <summary>The model; waits until it has been loaded. Cancelling ends the waiting, not the loading, which others may wait for.</summary>
    public async Task<ServedModel> GetAsync(CancellationToken cancellationToken)
    {
        Task<ServedModel> loading;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposal is not null, typeof(KvCompressChatClient));
            if (_loading is null || _loading.IsFaulted || _loading.IsCanceled)
                _loading = Task.Factory.StartNew(Load, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            loading = _loading;
        }

        try
        {
            return await loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_disposing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(KvCompressChatClient));
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task disposal;
        lock (_gate)
            disposal = _disposal ??= DisposeCoreAsync(_loading);
        await disposal.ConfigureAwait(false);
    }

    private async Task DisposeCoreAsync(Task<ServedModel>? loading)
    {
        await Task.Yield(); // out of the lock
        await _disposing.CancelAsync().ConfigureAwait(false);
        if (loading is null)
            return;
        try
        {
            ServedModel served = await loading.ConfigureAwait(false);
            await served.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception) when (loading.IsFaulted || loading.IsCanceled)
        {
            // Whoever waited for the loading has been told; there is nothing to give back.
        }
    }

    private ServedModel Load()
    {
        Log.Loading(logger, options.Model);
        _progress.Enter(ModelLoadingStage.Locating);
        long start = Stopwatch.GetTimestamp();
        try
        {
            // This thread does nothing else: it may wait for a download.
            LocatedModel located = locator.LocateAsync(options.Model, _progress, _disposing.Token).GetAwaiter().GetResult();
            _progress.Enter(ModelLoadingStage.Reading);
            ServedModel served = ServedModel.Load(located, options, clock, _progress, _disposing.Token);
            Log.Loaded(logger, served.Model.Name, Stopwatch.GetElapsedTime(start).TotalSeconds, served.Engine.GetStatistics().CacheBytes, served.Engine.ContextTokens);
            _progress.Enter(ModelLoadingStage.Ready);
            return served;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            Log.LoadingFailed(logger, options.Model, error);
            _progress.Enter(ModelLoadingStage.Failed, error);
            throw;
        }
    }
}
