using KvChat.Runtime.Sampling;

namespace KvChat.Tools;

/// <summary>
/// Lets a model think before its answer is held to anything: what stands between the marks is free. Thinking ends in time for the shortest answer.
/// </summary>
/// <param name="open">Token that begins thinking; null where the prompt has begun it.</param>
/// <param name="close">Token that ends it.</param>
/// <param name="answer">What the answer behind it is held to, given the tokens that are left.</param>
/// <param name="reserve">Tokens to be left for it.</param>
/// <param name="maxTokens">Most tokens of everything.</param>
internal sealed class ReasoningConstraint(int? open, int close, Func<int, ITokenConstraint> answer, int reserve, int maxTokens) : ITokenConstraint
{
    private int _drawn;
    private bool _thinks = open is null;
    private ITokenConstraint? _answer = open is null ? null : answer(maxTokens);

    /// <inheritdoc/>
    public bool MustStop => !_thinks && _answer is { MustStop: true };

    /// <inheritdoc/>
    public bool Apply(Span<float> logits)
    {
        if (_thinks)
        {
            if (maxTokens - _drawn > reserve + 1)
                return true;
            float own = logits[close];
            logits.Fill(float.NegativeInfinity);
            logits[close] = float.IsFinite(own) ? own : 0;
            return true;
        }

        bool mayOpen = open is not null && _drawn == 0 && maxTokens > reserve + 2;
        float beginning = mayOpen ? logits[open!.Value] : 0;
        bool any = _answer!.Apply(logits);
        if (mayOpen)
            logits[open!.Value] = beginning;
        return any || mayOpen;
    }

    /// <inheritdoc/>
    public void Accept(int token)
    {
        bool first = _drawn++ == 0;
        if (_thinks)
        {
            if (token != close)
                return;
            _thinks = false;
            _answer = answer(maxTokens - _drawn);
        }
        else if (first && token == open)
        {
            _thinks = true;
            _answer = null;
        }
        else
        {
            _answer!.Accept(token);
        }
    }
}
