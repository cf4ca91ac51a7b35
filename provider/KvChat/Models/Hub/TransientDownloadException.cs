namespace KvChat.Models.Hub;

/// <summary>A failure that another attempt may mend; if none does, its <see cref="Error"/> is what the caller gets.</summary>
internal sealed class TransientDownloadException(ModelDownloadException error, TimeSpan? retryAfter = null) : Exception(error.Message, error)
{
    public ModelDownloadException Error { get; } = error;

    /// <summary>How long the server asked to wait.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
