using KvChat;
using KvChat.Health;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers the health check of a <see cref="KvCompressChatClient"/>.</summary>
public static class KvChatHealthChecksBuilderExtensions
{
    /// <summary>
    /// Checks the client: Unhealthy while its model is being loaded or could not be, and when its engine has died; Degraded when the KV cache has been full for long. It fits a readiness probe; of a
    /// process that waits for its model while the host starts, it is not asked before.
    /// </summary>
    /// <param name="builder">Where to.</param>
    /// <param name="serviceKey">Key of the client; null for the one without.</param>
    /// <param name="name">Name of the check; null for <c>kvchat</c>, with the key behind it.</param>
    /// <param name="failureStatus">What is reported instead of Unhealthy; null for that.</param>
    /// <param name="tags">Tags of the check, such as <c>ready</c>.</param>
    /// <param name="configure">Sets when a full cache counts.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddKvChat(
        this IHealthChecksBuilder builder,
        object? serviceKey = null,
        string? name = null,
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null,
        Action<KvChatHealthCheckOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new KvChatHealthCheckOptions();
        configure?.Invoke(options);
        if (options.FullPoolLimit < TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(configure), $"{nameof(KvChatHealthCheckOptions)}.{nameof(options.FullPoolLimit)} is {options.FullPoolLimit}; it must be zero or more.");
        name ??= serviceKey is null ? KvCompressChatClient.ProviderName : $"{KvCompressChatClient.ProviderName}:{serviceKey}";
        return builder.Add(new HealthCheckRegistration(name, provider => new KvChatHealthCheck(Client(provider, serviceKey), options), failureStatus, tags));
    }

    private static KvCompressChatClient Client(IServiceProvider provider, object? serviceKey) =>
        serviceKey is null ? provider.GetRequiredService<KvCompressChatClient>() : provider.GetRequiredKeyedService<KvCompressChatClient>(serviceKey);
}
