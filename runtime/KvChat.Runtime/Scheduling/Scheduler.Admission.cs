using KvChat.Runtime.Cache;
using KvChat.Runtime.Compression;

namespace KvChat.Runtime.Scheduling;

/// <summary>Who may run: admission, planning, reservation, preemption.</summary>
internal sealed partial class Scheduler
{
    private void DropCancelled()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            if (_running[i].Handle.IsCancelled)
                End(_running[i], new OperationCanceledException("The request was cancelled."));
            else if (_running[i].Handle.IsStopped && _running[i].IsActive)
                Complete(_running[i], GenerationEnd.Stop); // a preempted one once its pages are back
        }

        for (int i = _waiting.Count; i > 0; i--)
        {
            Session session = _waiting.Dequeue();
            if (session.Handle.IsCancelled)
                Drop(session, new OperationCanceledException("The request was cancelled."));
            else
                _waiting.Enqueue(session);
        }
    }

    /// <summary>Brings preempted sessions back, the oldest first, before anyone new starts.</summary>
    private void Resume()
    {
        foreach (Session session in _running)
        {
            if (session.Swapped is not { } image)
                continue;
            int spare = AnyHasPages() ? Shape.TotalKvHeads : 0;
            MakeFree(image.PageCount + spare);
            if (_pool.FreePages < image.PageCount + spare)
                return;
            if (!session.Cache!.TryFromHost(image))
                return;
            image.Dispose();
            session.Swapped = null;
        }
    }

    private bool AnyHasPages()
    {
        foreach (Session session in _running)
        {
            if (session.IsActive)
                return true;
        }

        return false;
    }

    /// <summary>
    /// Starts waiting requests in the order of their arrival, each when the pages that its prompt takes are there beside those that are promised already.
    /// Prompts are read one after another rather than side by side, so that few of them hold more than their budget at a time.
    /// </summary>
    /// <returns>False where one waits because the pool has no pages for it.</returns>
    private bool Admit()
    {
        while (_waiting.Count > 0 && _running.Count < _options.MaxSequences && UnreadTokens() < _options.StepTokens && !AnySwapped())
        {
            Session session = _waiting.Peek();
            bool readsAll = session.Plan.Observes && session.Scorer.ObservesAllRows && session.Start is not { IsCompressed: true };
            int fromStart = readsAll ? 0 : UsableStart(session);
            HeldSequences.Match? match = readsAll ? null : _held.Find(session, Math.Max(_pageTokens, fromStart + 1), _windows);
            PreparedState? start = match is null && fromStart > 0 ? session.Start : null;
            long whole = Needs.Prompt(session.Request);
            int given = start is not null ? GivenBy(start, session)
                : match is null ? 0 : session.Plan.Observes ? match.Held.Cache.ExclusivePages : match.Held.Cache.PageCount;
            long needed = Math.Max(whole - given, Shape.TotalKvHeads) + PromisedPages() + (start?.Image?.PageCount ?? 0);
            MakeFree(needed, match, start);
            if (_pool.FreePages < needed && _running.Count > 0)
                return false;
            _waiting.Dequeue();
            if (!TryBegin(session, match, fromStart))
            {
                Drop(session, new GenerationFailedException("The pool has no room for the prepared sequence that the request starts from."));
                continue;
            }

            session.Cache ??= new SequenceCache(_pool, Shape.Layers, Shape.KvHeads, session.Request.Compression.Format, session.Request.Compression.LowFormat);
            session.PromisedPages = whole - (session is { CompressedStart: { } shared, Plan.Observes: true } ? shared.PageCount : 0);
            _cachedTokens += session.Cached;
            _running.Add(session);
        }

        return !AnySwapped();
    }

    /// <summary>
    /// Keeps whether the pool is full. Once it is, it stays so until nobody waits: while one prompt is read the next is not looked at, which says nothing about pages.
    /// </summary>
    private void NoteFull(bool isShort)
    {
        if (isShort && !_isFull)
            _fullPeriods++;
        _isFull = isShort || (_isFull && _waiting.Count > 0);
    }

    /// <summary>Pages that a session need not take because its start has them.</summary>
    private static int GivenBy(PreparedState start, Session session) => start.IsCompressed || !session.Plan.Observes ? start.PageCount : 0;

    private int UnreadTokens()
    {
        int unread = 0;
        foreach (Session session in _running)
            unread += Math.Max(0, session.PromptLength - session.Read);
        return unread;
    }

    private bool AnySwapped()
    {
        foreach (Session session in _running)
        {
            if (session.Swapped is not null)
                return true;
        }

        return false;
    }

    /// <summary>Pages that sessions in their prompt will still take.</summary>
    private long PromisedPages()
    {
        long promised = 0;
        foreach (Session session in _running)
        {
            if (session.IsReadingPrompt || session.Repeat is not null)
                promised += Math.Max(0, session.PromisedPages - (session.Cache?.PageCount ?? 0));
        }

        return promised;
    }

    /// <summary>Drops held sequences and swaps prepared ones, the longest unused first, until so many pages are free or nothing is left to go.</summary>
    private void MakeFree(long pages, HeldSequences.Match? except = null, PreparedState? start = null)
    {
        while (_pool.FreePages < pages && (_held.DropOldest(except) || SwapPrepared(start)))
        {
        }
    }

    /// <summary>Every decoding session gets its row; what the step has left goes to prompts, the oldest first.</summary>
    private void Plan()
    {
        _pieces.Clear();
        int rows = _options.StepTokens, windowRows = ReadingPlan.MaxWindowRows;
        foreach (Session session in _running)
        {
            if (session.IsActive && !session.UsesLongRotary && session.TokenCount > _shortRotaryTokens && session.CompressedStart is null)
                session.ReadAgain();
            if (session.IsActive && session.Repeat is null && !session.IsReadingPrompt)
            {
                // More than one only where the answer is read again; scores are made row by row, as they were.
                int unread = session.HasScores ? 1 : Math.Clamp(session.TokenCount - session.Read, 1, Math.Max(1, rows));
                _pieces.Add(new Piece(session, unread, null));
                rows -= unread;
            }
        }

        rows = Math.Max(rows, 1);
        foreach (Session session in _running)
        {
            if (session.IsActive && session.Repeat is { } repeat)
            {
                int passRows = repeat.NextRows;
                if (passRows <= windowRows)
                    _pieces.Add(new Piece(session, 0, null, passRows));
                windowRows -= passRows <= windowRows ? passRows : 0;
                continue;
            }

            if (!session.IsActive || !session.IsReadingPrompt || rows <= 0)
                continue;
            int end = session.Plan.NextEnd(session.Read, rows, windowRows);
            if (end <= session.Read)
                continue;
            CompressionStop? stop = session.Plan.NextStop(session.Read);
            var piece = new Piece(session, end - session.Read, stop?.End == end ? stop : null);
            windowRows -= Math.Max(0, piece.Rows - rows) + piece.SuffixRows;
            rows -= piece.Rows;
            _pieces.Add(piece);
        }
    }

    /// <summary>Reserves pages for every piece, the oldest session first; who finds none waits, or gives its pages to an older one.</summary>
    private void Reserve()
    {
        _pieces.Sort(static (a, b) => a.Session.Age.CompareTo(b.Session.Age));
        for (int i = 0; i < _pieces.Count; i++)
        {
            Piece piece = _pieces[i];
            if (!piece.Session.IsActive || !TryReserve(piece.Session, piece.AllRows))
                _pieces.RemoveAt(i--);
        }
    }

    private bool TryReserve(Session session, int tokens)
    {
        while (!session.Cache!.TryReserve(tokens))
        {
            if (_held.DropOldest() || SwapPrepared() || CompressUnderPressure(session))
                continue;
            Session? youngest = Youngest(except: session);
            if (youngest is null || youngest.Age < session.Age)
                return false;
            Preempt(youngest);
        }

        return true;
    }

    /// <summary>The youngest session but one that has pages in the pool.</summary>
    private Session? Youngest(Session except)
    {
        Session? youngest = null;
        foreach (Session session in _running)
        {
            if (session != except && session.IsActive && session.Cache!.PageCount > 0 && session.Age > (youngest?.Age ?? -1))
                youngest = session;
        }

        return youngest;
    }

    private void Preempt(Session session)
    {
        session.Swapped = session.Cache!.ToHost();
        session.Preemptions++;
        _preemptions++;
    }

    /// <summary>Compresses one request that allows it to half of its pages, for the sake of another.</summary>
    private bool CompressUnderPressure(Session needy)
    {
        foreach (Session session in _running)
        {
            if (!session.Request.Compression.UnderPressure || !session.HasScores || !session.IsActive || session.IsReadingPrompt || session.Repeat is not null || IsPlannedBefore(session, needy))
                continue;
            double ratio = 0.5 * session.Cache!.PageCount / Needs.Unwindowed(session.Read, session.Observed.Format);
            if (Compress(session, session.Observed with { RetainedRatio = ratio, RetainedKvs = null, DropThreshold = null, LowThreshold = null }, session.Read).PagesFreed == 0)
                continue;
            session.PressureCompressions++;
            _pressure++;
            return true;
        }

        return false;
    }

    /// <summary>Whether pages are already reserved for a session's rows of this step.</summary>
    private static bool IsPlannedBefore(Session session, Session needy) => session.Age <= needy.Age;
}
