using System.Threading.Channels;

namespace KvChat.Runtime.Scheduling;

/// <summary>What a session that only reads tells its caller. Progress goes through a channel of one place: the engine's thread never runs the caller's code.</summary>
internal sealed class Preparation
{
    private readonly Channel<PreparationProgress> _progress = Channel.CreateBounded<PreparationProgress>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    /// <summary>Set before the session's handle is completed.</summary>
    public PreparedState? State { get; set; }

    public ChannelReader<PreparationProgress> Progress => _progress.Reader;

    public void Report(Session session)
    {
        long kept = session.Cache!.KvCount;
        _progress.Writer.TryWrite(new PreparationProgress(session.Read, session.PromptLength, kept, ((long)session.Read * session.Cache.KeptPerHead.Count) - kept));
    }

    public void End() => _progress.Writer.TryComplete();
}
