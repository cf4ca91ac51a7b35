using KvChat.Runtime.Sampling;

namespace KvChat.Tools;

/// <summary>
/// Lets a model think before its answer is held to anything: what stands between the marks is free, and so are line breaks behind them. Thinking ends in time for the
/// shortest answer.
/// </summary>
/// <param name="open">Token that begins thinking; null where the prompt has begun it.</param>
/// <param name="close">Token that ends it.</param>
/// <param name="breaks">Tokens of line breaks; models set their answer apart by one or two.</param>
/// <param name="answer">What the answer behind it is held to, given the tokens that are left.</param>
/// <param name="reserve">Tokens to be left for it.</param>
/// <param name="maxTokens">Most tokens of everything.</param>
internal sealed class ReasoningConstraint(int? open, int close, IReadOnlyList<int> breaks, Func<int, ITokenConstraint> answer, int reserve, int maxTokens) : ITokenConstraint
{
    private const int MostBreaks = 2;

    private readonly float[] _breakLogits = new float[breaks.Count];
    private int _drawn, _breaksLeft;
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
        bool mayBreak = _breaksLeft > 0 && maxTokens - _drawn > reserve + 1;
        for (int i = 0; i < breaks.Count && mayBreak; i++)
            _breakLogits[i] = logits[breaks[i]];
        bool any = _answer!.Apply(logits);
        if (mayOpen)
            logits[open!.Value] = beginning;
        for (int i = 0; i < breaks.Count && mayBreak; i++)
            logits[breaks[i]] = _breakLogits[i];
        return any || mayOpen || mayBreak;
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
            _breaksLeft = MostBreaks;
            _answer = answer(maxTokens - _drawn);
        }
        else if (first && token == open)
        {
            _thinks = true;
            _answer = null;
        }
        else if (_breaksLeft > 0 && breaks.Contains(token))
        {
            _breaksLeft--;
            _answer = answer(maxTokens - _drawn);
        }
        else
        {
            _breaksLeft = 0;
            _answer!.Accept(token);
        }
    }
}
