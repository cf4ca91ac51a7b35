namespace KvChat.Runtime.Sampling;

/// <summary>A token and the natural logarithm of its probability.</summary>
/// <param name="Token">Its id.</param>
/// <param name="LogProbability">Of the model's own distribution: before penalties, temperature, truncations and constraints.</param>
public readonly record struct TokenLogProbability(int Token, float LogProbability);

/// <summary>How probable one token of an answer was, and which were the most probable ones in its place.</summary>
/// <param name="Drawn">The token of the answer.</param>
/// <param name="Top">The most probable tokens, the best first; as many as were asked for.</param>
public sealed record TokenLogProbabilities(TokenLogProbability Drawn, IReadOnlyList<TokenLogProbability> Top)
{
    /// <summary>Most alternatives that can be asked for.</summary>
    public const int MostTop = 20;
}

/// <summary>Takes log probabilities from a row of logits, before a sampler overwrites it. Used by one thread.</summary>
internal sealed class LogProbabilityReader
{
    private float[] _row = [];
    private double _logTotal;

    /// <summary>Remembers the row.</summary>
    public void Take(ReadOnlySpan<float> logits)
    {
        if (_row.Length < logits.Length)
            _row = new float[logits.Length];
        logits.CopyTo(_row);
        float max = System.Numerics.Tensors.TensorPrimitives.Max(logits);
        double total = 0;
        foreach (float logit in logits)
            total += Math.Exp(logit - max);
        _logTotal = max + Math.Log(total);
    }

    /// <summary>What the remembered row says about the token that was drawn.</summary>
    /// <param name="drawn">The token.</param>
    /// <param name="top">How many of the most probable ones; ties go to the lower id.</param>
    public TokenLogProbabilities Read(int drawn, int top)
    {
        var best = new List<int>(top + 1);
        for (int id = 0; id < _row.Length && top > 0; id++)
        {
            if (best.Count == top && !(_row[id] > _row[best[^1]]))
                continue;
            int at = best.Count;
            while (at > 0 && _row[id] > _row[best[at - 1]])
                at--;
            best.Insert(at, id);
            if (best.Count > top)
                best.RemoveAt(top);
        }

        return new TokenLogProbabilities(Of(drawn), [.. best.Select(Of)]);
    }

    private TokenLogProbability Of(int token) => new(token, (float)(_row[token] - _logTotal));
}
