using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>Prepared sequences: they stay, requests start from them, and the idle ones make room in the pool.</summary>
internal sealed partial class Scheduler
{
    private readonly List<PreparedState> _prepared = [];

    /// <summary>Gives the pages of a prepared sequence back that nobody holds any more, with those held for its later turns.</summary>
    public void Release(PreparedState state)
    {
        if (!_prepared.Remove(state))
            return;
        _held.DropThoseFrom(state);
        state.Dispose();
    }

    /// <summary>A session that has ended no longer holds its start.</summary>
    private void LetGo(Session session)
    {
        if (session.Start is { } start && start.LetGo())
            Release(start);
    }

    /// <summary>Tokens of its start that a session need not read again.</summary>
    private int UsableStart(Session session)
    {
        if (session.Start is not { } start)
            return 0;
        if (start.IsCompressed)
            return start.Length;
        KvCompression wanted = session.Request.Compression;
        if (start.Cache.Format != wanted.Format || start.Cache.LowFormat != wanted.LowFormat || start.UsesLongRotary != session.UsesLongRotary)
            return 0;
        int length = HeldSequences.FullPrefix(session, start.Length);
        return length == start.Length || length >= start.Cache.ShortestPrefix(_windows) ? length : 0;
    }

    /// <summary>
    /// Gives a session what it starts from: a held sequence, its prepared start, or nothing. One that observes writes scores into its pages, and must not do so for others: it copies what
    /// it shares; where there is no room, a session without a compressed start reads its prompt from the beginning.
    /// </summary>
    /// <returns>False where the pages are missing that it cannot do without.</returns>
    private bool TryBegin(Session session, HeldSequences.Match? match, int fromStart)
    {
        bool needsStart = session.Start is { IsCompressed: true };
        if (match is not null)
        {
            _held.Give(match, session);
            if (TryUnshare(session))
                return true;
            session.GiveUpHeld();
        }

        if (fromStart > 0)
        {
            PreparedState start = session.Start!;
            start.Used = ++_uses;
            if (start.TrySwapIn())
            {
                SequenceCache fork = start.Cache.Fork();
                fork.Truncate(fromStart);
                session.TakeOver(fork, fromStart, isCompressed: false);
                if (TryUnshare(session))
                    return true;
                session.GiveUpHeld();
            }
        }

        return !needsStart;
    }

    private static bool TryUnshare(Session session) => !session.Plan.Observes || session.Cache!.TryUnshare();

    /// <summary>Moves the longest unused prepared sequence to host memory that would free any page.</summary>
    private bool SwapPrepared(PreparedState? except = null)
    {
        PreparedState? oldest = null;
        foreach (PreparedState state in _prepared)
        {
            if (state != except && state.Image is null && state.Used < (oldest?.Used ?? long.MaxValue) && state.Cache.ExclusivePages > 0)
                oldest = state;
        }

        oldest?.SwapOut();
        return oldest is not null;
    }

    /// <summary>A preparation is done when its prompt has been read and compressed; its cache stays behind.</summary>
    private void CompletePreparation(Session session)
    {
        session.Cache!.ReleaseUnused();
        GenerationResult result = session.Result(GenerationEnd.Stop);
        var state = new PreparedState([.. session.Request.Prompt.Span], session.Cache, result, session.IsCompressed) { Used = ++_uses, UsesLongRotary = session.UsesLongRotary };
        _running.Remove(session);
        session.Cache = null;
        LetGo(session);
        _prepared.Add(state);
        session.Preparation!.State = state;
        session.Handle.Complete(result);
    }
}
