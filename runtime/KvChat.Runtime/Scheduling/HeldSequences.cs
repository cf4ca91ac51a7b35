using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>
/// Finished sequences whose pages stay until they are needed, so that the next turn of a conversation, or another question about the same
/// text, reads only what is new.
/// </summary>
internal sealed class HeldSequences
{
    private readonly List<Held> _held = [];
    private long _clock;

    public int Count => _held.Count;

    /// <summary>Pages that all of them list; pages that others share are counted too.</summary>
    public long Pages => _held.Sum(h => (long)h.Cache.PageCount);

    public IEnumerable<SequenceCache> Caches => _held.Select(h => h.Cache);

    /// <summary>Takes a finished session's cache.</summary>
    public void Add(Session session)
    {
        _held.Add(new Held(session.Tokens, session.Read, session.PromptLength, session.Cache!, session.Request.Compression, session.IsCompressed, session.CompressedStart)
        {
            Used = ++_clock,
            UsesLongRotary = session.UsesLongRotary,
        });
        session.Cache = null;
    }

    /// <summary>
    /// Finds the held sequence with the longest equal prefix, if any is long enough to be worth it. It is then the most recently used one.
    /// </summary>
    /// <param name="session">The new session; it is not changed.</param>
    /// <param name="least">Tokens below which it is not worth it.</param>
    /// <param name="windows">Sliding window of each layer, 0 for none.</param>
    public Match? Find(Session session, int least, ReadOnlySpan<int> windows)
    {
        Held? best = null;
        int length = least - 1;
        foreach (Held held in _held)
        {
            int usable = Usable(held, session);
            if (usable <= length || (usable < held.Length && usable < held.Cache.ShortestPrefix(windows)))
                continue;
            best = held;
            length = usable;
        }

        if (best is null)
            return null;
        best.Used = ++_clock;
        return new Match(best, length);
    }

    /// <summary>
    /// Gives a session the KVs that were found. A conversation that goes on takes its cache along; a text that several ask about is shared page by page.
    /// </summary>
    public void Give(Match match, Session session)
    {
        SequenceCache cache = match.Held.Cache;
        if (match.Length >= match.Held.PromptLength)
            _held.Remove(match.Held);
        else
            cache = cache.Fork();
        cache.Truncate(match.Length);
        session.TakeOver(cache, match.Length, match.Held.IsCompressed);
    }

    /// <summary>Gives the pages of the longest unused one back.</summary>
    /// <param name="except">One that stays.</param>
    /// <returns>False where no other is held.</returns>
    public bool DropOldest(Match? except = null)
    {
        Held? oldest = _held.Where(h => h != except?.Held).MinBy(h => h.Used);
        if (oldest is null)
            return false;
        _held.Remove(oldest);
        oldest.Cache.Dispose();
        return true;
    }

    /// <summary>Gives the pages of those back that started from a compressed sequence which is gone: nobody can continue them.</summary>
    public void DropThoseFrom(PreparedState start)
    {
        for (int i = _held.Count - 1; i >= 0; i--)
        {
            if (_held[i].Start != start)
                continue;
            _held[i].Cache.Dispose();
            _held.RemoveAt(i);
        }
    }

    /// <summary>Tokens of a full cache that equal what a session would have read itself, up to the first place where it would have looked or evicted.</summary>
    public static int FullPrefix(Session session, int equal)
    {
        KvCompression wanted = session.Request.Compression;
        equal = Math.Min(equal, session.PromptLength - 1);
        if (session.Plan.Observes)
            equal = Math.Min(equal, session.Plan.WindowStart);
        if (wanted is { IsOff: false, Schedule: CompressionSchedule.WhileReading })
            equal = Math.Min(equal, wanted.ChunkTokens - 1);
        return equal;
    }

    public void Clear()
    {
        while (DropOldest())
        {
        }
    }

    /// <summary>Tokens of the session's prompt that need not be read again.</summary>
    private static int Usable(Held held, Session session)
    {
        KvCompression wanted = session.Request.Compression;
        int most = Math.Min(session.PromptLength - 1, held.Length);
        int equal = session.Tokens.AsSpan(0, most).CommonPrefixLength(held.Tokens.AsSpan(0, most));
        if (held.Compression.Format != wanted.Format || held.Compression.LowFormat != wanted.LowFormat || held.UsesLongRotary != session.UsesLongRotary)
            return 0;
        if (held.Start != session.CompressedStart || equal < (held.Start?.Length ?? 0))
            return 0;

        // What was evicted was chosen with all of that prompt in sight: only a continuation of the whole of it under the same settings may build on it.
        if (held.IsCompressed)
            return equal >= held.PromptLength && held.Compression == wanted ? equal : 0;

        return held.Start is null ? FullPrefix(session, equal) : session.Plan.Observes ? 0 : equal;
    }

    /// <summary>A held sequence and how many tokens of it a session can start from.</summary>
    internal sealed record Match(Held Held, int Length);

    /// <summary>A finished sequence: its tokens, how many of them have KVs, and how they were compressed.</summary>
    internal sealed class Held(int[] tokens, int length, int promptLength, SequenceCache cache, KvCompression compression, bool isCompressed, PreparedState? start)
    {
        public int[] Tokens { get; } = tokens;

        public int Length { get; } = length;

        public int PromptLength { get; } = promptLength;

        public SequenceCache Cache { get; } = cache;

        public KvCompression Compression { get; } = compression;

        public bool IsCompressed { get; } = isCompressed;

        /// <summary>The compressed sequence that it started from, or null.</summary>
        public PreparedState? Start { get; } = start;

        public bool UsesLongRotary { get; init; }

        public long Used { get; set; }
    }
}
