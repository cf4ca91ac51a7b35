using KvChat.Requests;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <summary>Typed access to what this client reads from options and messages and writes to responses.</summary>
public static class KvCompressChatExtensions
{
    /// <summary>
    /// Says how the request is compressed. The settings are written to <see cref="ChatOptions.AdditionalProperties"/> as plain values under the names of
    /// <see cref="KvOptionNames"/>, so they survive cloning, serialisation and middleware.
    /// </summary>
    /// <param name="options">The options, which are changed.</param>
    /// <param name="compression">All settings; what was said before is replaced.</param>
    /// <returns>The same options.</returns>
    /// <exception cref="ArgumentException">A field is out of its range.</exception>
    public static T WithKvCompression<T>(this T options, KvCompression compression)
        where T : ChatOptions
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(compression);
        compression.Validate();
        CompressionProperties.Write(options.AdditionalProperties ??= [], compression);
        return options;
    }

    /// <summary>Says what may happen to the KVs of a message.</summary>
    /// <param name="message">The message, which is changed.</param>
    /// <param name="retention">What may happen to them.</param>
    /// <returns>The same message.</returns>
    public static ChatMessage WithRetention(this ChatMessage message, KvRetention retention)
    {
        ArgumentNullException.ThrowIfNull(message);
        (message.AdditionalProperties ??= [])[KvOptionNames.Retention] = RetentionProperty.Name(retention);
        return message;
    }

    /// <summary>Says what may happen to the KVs of a content; goes before what the message says.</summary>
    /// <param name="content">The content, which is changed.</param>
    /// <param name="retention">What may happen to them.</param>
    /// <returns>The same content.</returns>
    public static T WithRetention<T>(this T content, KvRetention retention)
        where T : AIContent
    {
        ArgumentNullException.ThrowIfNull(content);
        (content.AdditionalProperties ??= [])[KvOptionNames.Retention] = RetentionProperty.Name(retention);
        return content;
    }

    /// <summary>What became of the request's KVs; null where the response is not this client's.</summary>
    public static KvUsage? GetKvUsage(this ChatResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return KvUsage.From(response.Usage, response.RawRepresentation);
    }

    /// <summary>What became of the request's KVs, from the update that carries the usage; null for every other.</summary>
    public static KvUsage? GetKvUsage(this ChatResponseUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        return KvUsage.From(update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details, update.RawRepresentation);
    }
}
