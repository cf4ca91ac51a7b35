using System.Diagnostics;
using KvChat.Kernels;
using KvChat.Runtime.Compression;
using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>What a step does with the pieces that have their pages: run, sample, publish, compress, release.</summary>
internal sealed partial class Scheduler
{
    /// <returns>False where the step failed; its sessions have then been told.</returns>
    private bool Run()
    {
        int rows = 0, logits = 0;
        for (int i = 0; i < _pieces.Count; i++)
        {
            Piece piece = _pieces[i];
            _caches[i] = piece.Session.Cache!;
            _batch.Sequences[i] = Slice(piece, rows, out _overHidden[i]);
            rows = Fill(piece, rows);
            if (piece.Session.Preparation is null && piece.Session.Read + piece.Rows == piece.Session.TokenCount)
                _logitRows[logits++] = rows - 1 - piece.SuffixRows;
        }

        _logitCount = logits;
        _batch.SequenceCount = _pieces.Count;
        _batch.RowCount = rows;
        try
        {
            _batch.ScoringTicks = 0;
            long start = Stopwatch.GetTimestamp();
            _pass.Run(_batch, _caches.AsSpan(0, _pieces.Count), _tokens.AsSpan(0, rows), _logitRows.AsSpan(0, logits), _overHidden.AsSpan(0, _pieces.Count));
            NoteScoring(Stopwatch.GetTimestamp() - start);
            return true;
        }
        catch (Exception error)
        {
            foreach (Piece piece in _pieces)
                End(piece.Session, new GenerationFailedException($"The step failed: {error.Message}", error));
            return false;
        }
        finally
        {
            Array.Clear(_caches, 0, _pieces.Count);
        }
    }

    /// <summary>Divides what a pass spent on scores: by the attention recorded, and by rows where they are there for nothing else.</summary>
    private void NoteScoring(long passTicks)
    {
        double observed = 0;
        for (int i = 0; i < _pieces.Count; i++)
            observed += Observed(i);
        for (int i = 0; i < _pieces.Count; i++)
        {
            Piece piece = _pieces[i];
            double ticks = observed == 0 ? 0 : _batch.ScoringTicks * Observed(i) / observed;
            if (piece.SuffixRows > 0)
                ticks += (double)(passTicks - _batch.ScoringTicks) * piece.SuffixRows / _batch.RowCount;
            if (ticks > 0)
                Note(piece.Session, new CompressionTimes(Stopwatch.GetElapsedTime(0, (long)ticks), TimeSpan.Zero, TimeSpan.Zero));
        }

        double Observed(int i) => (double)_batch.Sequences[i].ObservedRows * (_pieces[i].Session.Cache!.KvCount + _pieces[i].AllRows);
    }

    private void Note(Session session, CompressionTimes times)
    {
        _compressionTimes += times;
        session.CompressionTimes += times;
    }

    private SequenceSlice Slice(Piece piece, int firstRow, out bool overHidden)
    {
        Session session = piece.Session;
        Observation observation = Observation.None;
        if (piece.RepeatRows > 0 || (session.Scorer.ObservesAllRows && session.Plan.Observes))
        {
            observation = session.Scorer.ObserveRow(session.Observed) with { Rows = piece.AllRows };
        }
        else if (piece.Stop is { } stop)
        {
            observation = session.Scorer.ObservePrompt(session.Observed, _options.PoolWidth);
            observation = observation with { Rows = Math.Min(observation.Rows, Math.Min(stop.WindowLength, piece.AllRows)) };
        }
        else if (session.HasScores && session.RecordsNext && session.Read >= session.History.WindowEnd && session.Plan.NextStop(session.Read) is null)
        {
            // What lies before a stop is not looked at twice, however a step cuts it.
            observation = session.Scorer.ObserveDecode(session.Observed) with { Rows = piece.Rows };
            if (observation.Mode == ObservationMode.Window && !session.MayCompressBehind(piece.Rows))
                observation = Observation.None; // the next window replaces it unread
        }

        overHidden = observation.OverHidden && observation.Mode != ObservationMode.None;
        return new SequenceSlice
        {
            FirstRow = firstRow,
            RowCount = piece.AllRows,
            UsesLongRotary = session.UsesLongRotary,
            Format = session.Request.Compression.Format,
            LowFormat = session.Cache!.LowFormat ?? default,
            Observation = observation.Mode,
            ObservedRows = observation.Mode == ObservationMode.None ? 0 : observation.Rows,
            PoolWidth = observation.PoolWidth,
            Squared = observation.Squared,
            Largest = observation.Largest,
            LargestOfGroup = observation.LargestOfGroup,
            AveragePool = observation.AveragePool,
        };
    }

    /// <summary>Writes a piece's tokens and positions, those of its temporary suffix at their true positions.</summary>
    private int Fill(Piece piece, int row)
    {
        Session session = piece.Session;
        for (int i = 0; i < piece.Rows; i++, row++)
        {
            _tokens[row] = session.Tokens[session.Read + i];
            _batch.Positions[row] = session.Read + i;
        }

        for (int i = 0; i < piece.SuffixRows; i++, row++)
        {
            int source = session.Repeat is { } repeat ? repeat.Next + i : piece.Stop!.Value.WindowStart + i;
            _tokens[row] = session.Tokens[source];
            _batch.Positions[row] = session.Repeat is null ? source : RepeatPosition(session, piece.RepeatRows) + i;
        }

        return row;
    }

    /// <summary>A pass stands behind what has been read, as if the model wrote it down again; at the end of the context it moves back.</summary>
    private int RepeatPosition(Session session, int rows) => Math.Max(0, Math.Min(session.Read, ContextTokens - rows));

    /// <summary>Commits all pieces, then draws, then compresses: what one session does may take pages from another only when nobody is between two states.</summary>
    private void Finish()
    {
        foreach (Piece piece in _pieces)
            Commit(piece);
        int logits = 0;
        _topCount = 0;
        foreach (Piece piece in _pieces)
        {
            if (piece.Session.Preparation is null && piece.Session.Read == piece.Session.TokenCount)
                Guard(piece, static (scheduler, piece, index) => scheduler.Draw(piece.Session, index), logits++);
        }

        foreach (Piece piece in _pieces)
        {
            if (piece.Session.IsActive)
                Guard(piece, static (scheduler, piece, _) => scheduler.CompressWhereDue(piece), 0);
            if (piece.Session is { Preparation: { } preparation, IsActive: true } reading)
            {
                preparation.Report(reading);
                if (!reading.IsReadingPrompt && reading.Repeat is null)
                    CompletePreparation(reading);
            }
        }
    }

    private void Commit(Piece piece)
    {
        Session session = piece.Session;
        session.Cache!.Commit(piece.AllRows);
        session.NoteMemory();
        if (piece.SuffixRows > 0)
            session.Cache.DropLast(piece.SuffixRows);
        if (session.IsReadingPrompt)
            _promptTokens += piece.Rows;
        session.Read += piece.Rows;
        if (piece.Rows > 1 || session.Read % ForgetInterval == 0)
            Forget(session);
    }

    /// <summary>Gives the pages back that sliding windows have passed.</summary>
    private void Forget(Session session)
    {
        for (int layer = 0; layer < _windows.Length; layer++)
        {
            if (_windows[layer] > 0)
                session.Cache!.Forget(layer, _windows[layer], session.Read);
        }
    }

    /// <summary>Does something for one session; where it fails, that session ends and the others go on.</summary>
    private void Guard(Piece piece, Action<Scheduler, Piece, int> action, int argument)
    {
        try
        {
            action(this, piece, argument);
        }
        catch (Exception error)
        {
            End(piece.Session, error as GenerationFailedException ?? new GenerationFailedException($"The request failed: {error.Message}", error));
        }
    }

    private void CompressWhereDue(Piece piece)
    {
        Session session = piece.Session;
        KvCompression compression = session.Request.Compression;
        if (session.Repeat is { } repeat)
        {
            if (!repeat.Advance())
                return;
            session.Repeat = null;
            session.RepeatedEnd = repeat.Stop.End;
            CompressAt(session, repeat.Stop);
        }
        else if (piece.Stop is { } stop)
        {
            if (session.Scorer.Repeats)
                session.Repeat = RepeatPass.Begin(session.Cache!, stop, session.RepeatedEnd);
            else
                CompressAt(session, stop);
        }
        else if (session.HasScores && compression.DecodeInterval > 0)
        {
            session.History = session.History.WithAdded(session.Read - piece.Rows, session.Read);
            if (session.IsDecodeStop(session.Read))
                Compress(session, compression, session.Read);
        }

        if (session.Read == session.PromptLength && session.Repeat is null)
            session.NoteAnswerStart();
    }

    private void CompressAt(Session session, CompressionStop stop)
    {
        session.History = ScoreHistory.OfWindow(stop.WindowStart, stop.WindowStart + stop.WindowLength);
        Compress(session, session.Request.Compression, Math.Max(session.PromptLength, session.Read));
    }

    private CompressionReport Compress(Session session, KvCompression settings, int seen)
    {
        Forget(session);
        if (!_compressor.TryCompress(session.Cache!, settings, session.Request.Spans, seen, session.History, out CompressionReport report, session.Memory))
            throw new InvalidOperationException("A sequence that observes shares pages.");
        Note(session, report.Times);
        _evicted += report.Evicted;
        session.IsCompressed |= report.Evicted > 0 || report.Requantized > 0;
        if (!settings.IsOff)
            session.EffectiveRatio = report.EffectiveRatio;
        return report;
    }

    private void Draw(Session session, int logitsIndex)
    {
        int token = DrawTop(session, logitsIndex);
        if (token == TokenSampler.NeedsAll)
        {
            _pass.ReadLogits(logitsIndex, _logits);
            if (session.Request.TopLogProbabilities is not null)
                _probabilities.Take(_logits);
            if (session.Constraint?.Apply(_logits) == false)
            {
                Complete(session, GenerationEnd.Stop);
                return;
            }

            token = session.Sampler.Draw(_logits, _scratch);
        }

        if (token < 0)
            throw new GenerationFailedException($"The model's logits after token {session.Read - 1} are not numbers.");
        bool stops = IsStop(session, token);
        if (!stops)
        {
            session.Constraint?.Accept(token);
            session.Append(token, session.Request.TopLogProbabilities is { } top ? _probabilities.Read(token, top) : null);
            _generated++;
            stops = session.Constraint?.MustStop == true;
        }

        if (stops || session.TokenCount >= session.MaxTokens)
            Complete(session, stops ? GenerationEnd.Stop : GenerationEnd.Length);
    }

    private static bool IsStop(Session session, int token)
    {
        IReadOnlyList<int> stops = session.Request.StopTokens;
        for (int i = 0; i < stops.Count; i++)
        {
            if (stops[i] == token)
                return true;
        }

        return false;
    }

    private void Complete(Session session, GenerationEnd end)
    {
        session.Cache!.ReleaseUnused();
        if (session.KeptAtAnswer == 0)
            session.NoteAnswerStart();
        GenerationResult result = session.Result(end);
        _running.Remove(session);
        LetGo(session);
        if (_options.HoldFinishedSequences)
            _held.Add(session);
        else
            session.Cache.Dispose();
        session.Cache = null;
        session.Handle.Complete(result);
    }

    /// <summary>Ends a session by an error; its pages go back at once.</summary>
    private void End(Session session, Exception error)
    {
        _running.Remove(session);
        Drop(session, error);
    }

    private void Drop(Session session, Exception error)
    {
        session.Cache?.Dispose();
        session.Cache = null;
        session.Swapped?.Dispose();
        session.Swapped = null;
        LetGo(session);
        session.Handle.Fail(error);
    }
}
