using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <summary>JSON of this library's contents, for middleware that serialises messages, such as caches.</summary>
public static class KvDocumentJson
{
    /// <summary>Makes options know <see cref="KvDocumentContent"/>, under the type name <c>kvDocument</c>.</summary>
    /// <param name="options">Options that are not read-only yet, such as a copy of <see cref="AIJsonUtilities.DefaultOptions"/>.</param>
    /// <returns>The same options.</returns>
    /// <exception cref="InvalidOperationException">The options are read-only.</exception>
    public static JsonSerializerOptions AddKvDocuments(this JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.TypeInfoResolverChain.Insert(0, KvDocumentJsonContext.Default);
        options.AddAIContentType<KvDocumentContent>("kvDocument");
        return options;
    }
}

[JsonSerializable(typeof(KvDocumentContent))]
internal sealed partial class KvDocumentJsonContext : JsonSerializerContext;
