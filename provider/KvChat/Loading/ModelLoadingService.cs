using Microsoft.Extensions.Hosting;

namespace KvChat.Loading;

/// <summary>
/// Loads the model while the host starts: the host is not ready before the model is, and does not start on a file that cannot be used. In the background, the host
/// starts at once and its health check says when the model is there.
/// </summary>
internal sealed class ModelLoadingService(KvCompressChatClient client, IProgress<ModelLoadingProgress>? progress) : IHostedService, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!client.LoadsInBackground)
            return client.EnsureLoadedAsync(progress, cancellationToken);
        _ = LoadAsync();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    private async Task LoadAsync()
    {
        try
        {
            await client.EnsureLoadedAsync(progress, _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The log has it, the health check says it, and the next request tries again.
        }
    }
}
