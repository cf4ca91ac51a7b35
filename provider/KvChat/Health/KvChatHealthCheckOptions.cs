namespace KvChat.Health;

/// <summary>Settings of the health check of a <see cref="KvCompressChatClient"/>.</summary>
public sealed class KvChatHealthCheckOptions
{
    /// <summary>How long the pool may be full before the client counts as degraded: 30 seconds unless set; zero at once.</summary>
    public TimeSpan FullPoolLimit { get; set; } = TimeSpan.FromSeconds(30);
}
