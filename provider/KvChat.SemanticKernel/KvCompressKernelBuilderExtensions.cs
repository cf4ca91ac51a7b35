using KvChat;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Microsoft.SemanticKernel;

/// <summary>
/// Registers <see cref="KvCompressChatClient"/> in a kernel, as <see cref="IChatClient"/> and as <see cref="IChatCompletionService"/>; see
/// <see cref="KvCompressKernelServiceCollectionExtensions"/>. <c>Build()</c> starts no host, so that the first request loads the model.
/// </summary>
public static class KvCompressKernelBuilderExtensions
{
    /// <summary>Registers a client with settings from code.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="configure">Sets the options; null for the defaults, which serve the embedded model.</param>
    /// <param name="serviceId">The service id by which execution settings choose it; null for none.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The service id is empty.</exception>
    public static IKernelBuilder AddKvCompressChatClient(this IKernelBuilder builder, Action<KvCompressChatOptions>? configure = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKvCompressKernelChatClient(configure, serviceId);
        return builder;
    }

    /// <summary>Registers a client with settings from a section of the configuration, whose keys are the names of <see cref="KvCompressChatOptions"/>.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("KvChat")</c>.</param>
    /// <param name="serviceId">The service id by which execution settings choose it; null for none.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The service id is empty.</exception>
    public static IKernelBuilder AddKvCompressChatClient(this IKernelBuilder builder, IConfiguration section, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKvCompressKernelChatClient(section, serviceId);
        return builder;
    }
}
