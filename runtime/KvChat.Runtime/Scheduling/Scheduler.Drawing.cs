using KvChat.Runtime.Sampling;

namespace KvChat.Runtime.Scheduling;

/// <summary>Drawing from the largest logits, which the back end finds, so that whole rows need not come to host memory.</summary>
internal sealed partial class Scheduler
{
    private int[] _topTokens = [];
    private float[] _topLogits = [];
    private int _topCount, _logitCount;

    /// <returns>What was drawn, or <see cref="TokenSampler.NeedsAll"/> where the whole row is needed.</returns>
    private int DrawTop(Session session, int logitsIndex)
    {
        int needed = TopOf(session);
        if (needed == 0)
            return TokenSampler.NeedsAll;
        if (_topCount == 0)
            FindTop();
        return session.Sampler.DrawTop(_topTokens.AsSpan(logitsIndex * _topCount, needed), _topLogits.AsSpan(logitsIndex * _topCount, needed));
    }

    /// <summary>How many of the largest logits a session draws from; 0 where it needs all.</summary>
    private int TopOf(Session session)
    {
        if (session.Request.TopLogProbabilities is not null || session.Constraint is not null)
            return 0;
        int needed = Math.Min(session.Sampler.TopNeeded, _model.Configuration.VocabularySize);
        return needed <= _model.Backend.MaxTop ? needed : 0;
    }

    /// <summary>Finds as many as the most demanding session of the step needs, for all rows at once.</summary>
    private void FindTop()
    {
        int count = 0;
        foreach (Piece piece in _pieces)
        {
            if (piece.Session.Preparation is null)
                count = Math.Max(count, TopOf(piece.Session));
        }

        if (_topTokens.Length < _logitCount * count)
        {
            _topTokens = new int[_options.MaxSequences * count];
            _topLogits = new float[_topTokens.Length];
        }

        _pass.FindTop(_logitCount, _topTokens.AsSpan(0, _logitCount * count), _topLogits.AsSpan(0, _logitCount * count));
        _topCount = count;
    }
}
