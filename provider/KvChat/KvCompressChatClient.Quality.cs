using KvChat.Documents;
using KvChat.Loading;
using KvChat.Prompts;
using KvChat.Quality;
using KvChat.Requests;
using KvChat.Runtime.Compression;
using Microsoft.Extensions.AI;

namespace KvChat;

/// <content>A quality instead of an amount.</content>
public sealed partial class KvCompressChatClient
{
    /// <summary>Settings for a document of this client, where they ask for a quality.</summary>
    internal KvCompression ForDocument(KvCompression wanted, int tokens) =>
        wanted.MinQuality is null ? wanted : _host.Current!.Quality.Settings(wanted, QualityQuery.Unknown, tokens, _telemetry.Logger);

    /// <summary>
    /// Puts settings in the place of a quality. What an earlier question chose must serve the later ones of a conversation: from its second turn on the measurements of later turns count, so that
    /// the second turn reads it again, under settings that last. Beside a prepared document only its format can be used, and nothing goes that a compressed one has left.
    /// </summary>
    private RequestSettings WithQuality(ServedModel served, RequestSettings settings, BuiltPrompt prompt, KvDocument? document, bool isLaterTurn)
    {
        KvCompression wanted = settings.Compression;
        if (wanted.MinQuality is null)
            return settings;
        if (document is { Compression.IsOff: false })
            return settings with { Compression = KvCompression.Off with { Format = document.Compression.Format } };
        QualityQuery query = wanted.Query == CompressionQuery.Unknown ? QualityQuery.Unknown : isLaterTurn ? QualityQuery.Later : QualityQuery.Known;
        KvCompression found = served.Quality.Settings(wanted, query, prompt.Tokens.Length, _telemetry.Logger, document?.Compression.Format);
        return settings with { Compression = found, IsQualityUnmeasured = !served.Quality.IsMeasured };
    }

    private static bool IsLaterTurn(ChatMessage[] messages) => messages.Any(m => m.Role == ChatRole.Assistant);
}
