using Microsoft.Extensions.Logging;

namespace KvChat;

/// <summary>What the provider writes to the log. No text of messages or answers ever goes there.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Loading model {Model}.")]
    public static partial void Loading(ILogger logger, string model);

    [LoggerMessage(2, LogLevel.Information, "Loading model {Model}: {Percent} %.")]
    public static partial void LoadingProgress(ILogger logger, string model, int percent);

    [LoggerMessage(3, LogLevel.Information, "Loaded model {Name} in {Seconds:0.0} s; KV cache of {CacheBytes} bytes, context of {ContextTokens} tokens.")]
    public static partial void Loaded(ILogger logger, string name, double seconds, long cacheBytes, int contextTokens);

    [LoggerMessage(4, LogLevel.Error, "Model {Model} could not be loaded.")]
    public static partial void LoadingFailed(ILogger logger, string model, Exception error);

    [LoggerMessage(5, LogLevel.Debug, "Answer {ResponseId}: {PromptTokens} prompt tokens, {CachedTokens} of them cached, {OutputTokens} answer tokens, {EvictedKvs} KVs evicted, {Seconds:0.00} s.")]
    public static partial void Answered(ILogger logger, string responseId, int promptTokens, int cachedTokens, int outputTokens, long evictedKvs, double seconds);

    [LoggerMessage(8, LogLevel.Warning, "A listener to the loading's progress failed and is not told any more.")]
    public static partial void ListenerFailed(ILogger logger, Exception error);

    [LoggerMessage(9, LogLevel.Warning, "A request was refused because {Queued} wait already; a place is likely to be free in {Seconds:0.0} s.")]
    public static partial void QueueFull(ILogger logger, int queued, double seconds);

    [LoggerMessage(10, LogLevel.Error, "A request failed.")]
    public static partial void RequestFailed(ILogger logger, Exception error);

    [LoggerMessage(6, LogLevel.Warning, "ChatOptions.AdditionalProperties[\"{Name}\"] means nothing to this client and has no effect.")]
    public static partial void ForeignProperty(ILogger logger, string name);

    [LoggerMessage(7, LogLevel.Information, "Downloading {File}: {Percent} % of {TotalBytes} bytes in all.")]
    public static partial void DownloadProgress(ILogger logger, string file, int percent, long totalBytes);

    [LoggerMessage(13, LogLevel.Warning, "A quality of {MinQuality} was asked for, and model {Model} has no measurements ({Table}): nothing is evicted, KVs are stored in {Format}. Said once.")]
    public static partial void QualityUnmeasured(ILogger logger, double minQuality, string model, string table, Kernels.KvFormat format);

    [LoggerMessage(14, LogLevel.Debug, "A quality of {MinQuality} is met by policy {Policy}, ratio {RetainedRatio:0.####} and format {Format} for {Tokens} tokens.")]
    public static partial void QualityMet(ILogger logger, double minQuality, string policy, double retainedRatio, Kernels.KvFormat format, int tokens);
}
