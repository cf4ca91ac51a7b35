using System.Diagnostics.Metrics;
using KvChat;
using KvChat.DependencyInjection;
using KvChat.Loading;
using KvChat.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Registers <see cref="KvCompressChatClient"/>: as a singleton under its own type, and as <see cref="IChatClient"/>, which forwards to it and may be wrapped.
/// Options are checked when the host starts, which also loads the model; where no host runs, the first request loads it. A <see cref="ModelLocator"/> that is registered
/// finds the model, such as one with a cache folder of its own; an <see cref="IProgress{T}"/> of <see cref="ModelLoadingProgress"/> that is registered is told how the host's loading goes.
/// </summary>
public static class KvCompressChatServiceCollectionExtensions
{
    /// <summary>What resolves <see cref="IChatClient"/>; an integration that wraps the client finds its registration by it.</summary>
    internal static readonly Func<IServiceProvider, IChatClient> Forward = static provider => provider.GetRequiredService<KvCompressChatClient>();

    /// <summary>The same under a key.</summary>
    internal static readonly Func<IServiceProvider, object?, IChatClient> ForwardKeyed = static (provider, key) => provider.GetRequiredKeyedService<KvCompressChatClient>(key!);

    /// <summary>Registers a client with settings from code.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">Sets the options; null for the defaults, which serve the embedded model.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddKvCompressChatClient(this IServiceCollection services, Action<KvCompressChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return Add(services, Options.Options.DefaultName, configure);
    }

    /// <summary>Registers a client with settings from a section of the configuration, whose keys are the names of <see cref="KvCompressChatOptions"/>.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("KvChat")</c>.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddKvCompressChatClient(this IServiceCollection services, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        return Add(services, Options.Options.DefaultName, o => new ConfigurationReader(Options.Options.DefaultName).Read(section, o));
    }

    /// <summary>Registers a client under a key, with settings from code.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="serviceKey">The key; null registers without one.</param>
    /// <param name="configure">Sets the options; null for the defaults, which serve the embedded model.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddKeyedKvCompressChatClient(
        this IServiceCollection services, object? serviceKey, Action<KvCompressChatOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return serviceKey is null ? services.AddKvCompressChatClient(configure) : AddKeyed(services, serviceKey, configure);
    }

    /// <summary>Registers a client under a key, with settings from a section of the configuration.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="serviceKey">The key; null registers without one.</param>
    /// <param name="section">The section.</param>
    /// <returns>The same collection.</returns>
    public static IServiceCollection AddKeyedKvCompressChatClient(this IServiceCollection services, object? serviceKey, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        return serviceKey is null
            ? services.AddKvCompressChatClient(section)
            : AddKeyed(services, serviceKey, o => new ConfigurationReader(OptionsName(serviceKey)).Read(section, o));
    }

    private static IServiceCollection Add(IServiceCollection services, string name, Action<KvCompressChatOptions>? configure)
    {
        AddOptions(services, name, configure);
        if (services.Any(s => s.ServiceType == typeof(KvCompressChatClient) && !s.IsKeyedService))
            return services; // a second call adds settings to the client that is there
        services.AddSingleton(provider => Create(provider, name));
        services.AddSingleton(Forward);
        services.AddSingleton<IHostedService>(static provider => Loading(provider, provider.GetRequiredService<KvCompressChatClient>()));
        return services;
    }

    private static IServiceCollection AddKeyed(IServiceCollection services, object serviceKey, Action<KvCompressChatOptions>? configure)
    {
        string name = OptionsName(serviceKey);
        AddOptions(services, name, configure);
        if (services.Any(s => s.ServiceType == typeof(KvCompressChatClient) && s.IsKeyedService && serviceKey.Equals(s.ServiceKey)))
            return services;
        services.AddKeyedSingleton(serviceKey, (provider, _) => Create(provider, name));
        services.AddKeyedSingleton(serviceKey, ForwardKeyed);
        services.AddSingleton<IHostedService>(provider => Loading(provider, provider.GetRequiredKeyedService<KvCompressChatClient>(serviceKey)));
        return services;
    }

    /// <summary>A text key names the options itself; any other one does with its type, so that 1 and "1" stay apart.</summary>
    private static string OptionsName(object serviceKey) => serviceKey as string is { Length: > 0 } text ? text : $"{serviceKey.GetType().FullName}:{serviceKey}";

    private static void AddOptions(IServiceCollection services, string name, Action<KvCompressChatOptions>? configure)
    {
        OptionsBuilder<KvCompressChatOptions> builder = services.AddOptions<KvCompressChatOptions>(name);
        if (configure is not null)
            builder.Configure(configure);
        builder.ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<KvCompressChatOptions>, KvCompressChatOptionsValidator>());
    }

    private static KvCompressChatClient Create(IServiceProvider provider, string name) => new(
        provider.GetRequiredService<IOptionsMonitor<KvCompressChatOptions>>().Get(name),
        provider.GetService<ILoggerFactory>(),
        provider.GetService<TimeProvider>() ?? TimeProvider.System,
        provider.GetService<ModelLocator>(),
        provider.GetService<IMeterFactory>(),
        name);

    private static ModelLoadingService Loading(IServiceProvider provider, KvCompressChatClient client) =>
        new(client, provider.GetService<IProgress<ModelLoadingProgress>>());
}
