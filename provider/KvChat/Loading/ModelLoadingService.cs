using Microsoft.Extensions.Hosting;

namespace KvChat.Loading;

/// <summary>Loads the model while the host starts: the host is not ready before the model is, and does not start on a file that cannot be used.</summary>
internal sealed class ModelLoadingService(KvCompressChatClient client) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => client.EnsureLoadedAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
