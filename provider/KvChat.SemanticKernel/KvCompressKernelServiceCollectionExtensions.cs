using KvChat;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Registers <see cref="KvCompressChatClient"/> for kernels: one model, resolved as <see cref="IChatClient"/> or as <see cref="IChatCompletionService"/>, both of which call
/// the kernel's plugins where the execution settings allow it. A service id is the services' key. The model is loaded by the first request, or by the host where one runs.
/// </summary>
public static class KvCompressKernelServiceCollectionExtensions
{
    /// <summary>Registers a client with settings from code.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">Sets the options; null for the defaults, which serve the embedded model.</param>
    /// <param name="serviceId">The service id by which execution settings choose it; null for none.</param>
    /// <returns>The same collection.</returns>
    /// <exception cref="ArgumentException">The service id is empty.</exception>
    public static IServiceCollection AddKvCompressKernelChatClient(
        this IServiceCollection services, Action<KvCompressChatOptions>? configure = null, string? serviceId = null)
    {
        Check(services, serviceId);
        return Wrap(services.AddKeyedKvCompressChatClient(serviceId, configure), serviceId);
    }

    /// <summary>Registers a client with settings from a section of the configuration, whose keys are the names of <see cref="KvCompressChatOptions"/>.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("KvChat")</c>.</param>
    /// <param name="serviceId">The service id by which execution settings choose it; null for none.</param>
    /// <returns>The same collection.</returns>
    /// <exception cref="ArgumentException">The service id is empty.</exception>
    public static IServiceCollection AddKvCompressKernelChatClient(this IServiceCollection services, IConfiguration section, string? serviceId = null)
    {
        Check(services, serviceId);
        return Wrap(services.AddKeyedKvCompressChatClient(serviceId, section), serviceId);
    }

    private static void Check(IServiceCollection services, string? serviceId)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (serviceId?.Length == 0)
            throw new ArgumentException("The service id is empty; it must be a name, or null for none.", nameof(serviceId));
    }

    /// <summary>
    /// Puts function invocation around the client. Its plain registration goes, since a kernel looks through all of them when it selects by model id, and takes the first.
    /// </summary>
    private static IServiceCollection Wrap(IServiceCollection services, string? serviceId)
    {
        for (int i = services.Count - 1; i >= 0; i--)
        {
            if (IsPlain(services[i], serviceId))
                services.RemoveAt(i);
        }

        if (serviceId is null)
        {
            if (services.Any(s => !s.IsKeyedService && ReferenceEquals(s.ImplementationFactory, Client)))
                return services; // a second call adds settings to the client that is there
            services.AddSingleton(Client);
            services.AddSingleton(Completion);
        }
        else
        {
            if (services.Any(s => s.IsKeyedService && serviceId.Equals(s.ServiceKey) && ReferenceEquals(s.KeyedImplementationFactory, KeyedClient)))
                return services;
            services.AddKeyedSingleton(serviceId, KeyedClient);
            services.AddKeyedSingleton(serviceId, KeyedCompletion);
        }

        return services;
    }

    private static bool IsPlain(ServiceDescriptor service, string? serviceId) => serviceId is null
        ? !service.IsKeyedService && ReferenceEquals(service.ImplementationFactory, KvCompressChatServiceCollectionExtensions.Forward)
        : service.IsKeyedService && serviceId.Equals(service.ServiceKey) && ReferenceEquals(service.KeyedImplementationFactory, KvCompressChatServiceCollectionExtensions.ForwardKeyed);

    private static readonly Func<IServiceProvider, IChatClient> Client = static provider => Invoking(provider.GetRequiredService<KvCompressChatClient>(), provider);

    private static readonly Func<IServiceProvider, object?, IChatClient> KeyedClient =
        static (provider, key) => Invoking(provider.GetRequiredKeyedService<KvCompressChatClient>(key!), provider);

    private static readonly Func<IServiceProvider, IChatCompletionService> Completion =
        static provider => Invoking(provider.GetRequiredService<KvCompressChatClient>(), provider).AsChatCompletionService(provider);

    private static readonly Func<IServiceProvider, object?, IChatCompletionService> KeyedCompletion =
        static (provider, key) => Invoking(provider.GetRequiredKeyedService<KvCompressChatClient>(key!), provider).AsChatCompletionService(provider);

    private static IChatClient Invoking(KvCompressChatClient client, IServiceProvider provider) =>
        client.AsBuilder().UseKernelFunctionInvocation(provider.GetService<ILoggerFactory>()).Build(provider);
}
