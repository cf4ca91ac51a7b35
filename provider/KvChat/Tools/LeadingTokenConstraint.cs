using KvChat.Runtime.Sampling;

namespace KvChat.Tools;

/// <summary>
/// An answer that begins with a certain token, such as the control token that begins calls, and goes on in a language of its own; or, where there is an alternative, with
/// anything that the alternative allows.
/// </summary>
/// <param name="token">The token.</param>
/// <param name="after">What the answer is held to behind it.</param>
/// <param name="otherwise">What it is held to where it begins in another way; null where it may not.</param>
internal sealed class LeadingTokenConstraint(int token, ITokenConstraint after, ITokenConstraint? otherwise) : ITokenConstraint
{
    private ITokenConstraint? _chosen;

    /// <inheritdoc/>
    public bool MustStop => _chosen is { MustStop: true };

    /// <inheritdoc/>
    public bool Apply(Span<float> logits)
    {
        if (_chosen is { } chosen)
            return chosen.Apply(logits);
        float own = logits[token];
        if (otherwise is null)
            logits.Fill(float.NegativeInfinity);
        else
            otherwise.Apply(logits);
        logits[token] = own;
        return true;
    }

    /// <inheritdoc/>
    public void Accept(int drawn)
    {
        if (_chosen is { } chosen)
            chosen.Accept(drawn);
        else if (drawn == token)
            _chosen = after;
        else
            (_chosen = otherwise!).Accept(drawn);
    }
}
