using KvChat.Runtime.Sampling;
using KvChat.StructuredOutput;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Tools;

/// <summary>
/// Leaves an answer free until it begins a call, holds the call to its language, and leaves it free again. A call that could not be finished within the answer's tokens
/// is not begun, nor is one where calls are forbidden.
/// </summary>
internal sealed class TriggeredConstraint : ITokenConstraint
{
    private readonly CallTrigger _trigger;
    private readonly AnswerVocabulary _vocabulary;
    private readonly Constraint? _block;
    private readonly bool _endsAfterCall;
    private readonly List<byte> _tail = [];
    private TokenConstraint? _inside;
    private bool _mustEnd;
    private int _remaining;

    /// <param name="trigger">What begins a call.</param>
    /// <param name="vocabulary">The model's.</param>
    /// <param name="block">What follows it; null where calls are forbidden.</param>
    /// <param name="endsAfterCall">Whether nothing may follow a call.</param>
    /// <param name="maxTokens">Most tokens of the answer.</param>
    public TriggeredConstraint(CallTrigger trigger, AnswerVocabulary vocabulary, Constraint? block, bool endsAfterCall, int maxTokens)
    {
        _trigger = trigger;
        _vocabulary = vocabulary;
        _block = block;
        _endsAfterCall = endsAfterCall;
        _remaining = maxTokens;
    }

    /// <inheritdoc/>
    public bool MustStop => _mustEnd;

    /// <inheritdoc/>
    public bool Apply(Span<float> logits)
    {
        if (_inside is { } inside)
            return inside.Apply(logits);
        for (int matched = 0; matched < _trigger.Length; matched++)
        {
            foreach (int token in _trigger.Candidates(_tail, matched))
            {
                if (!MayBegin(token))
                    logits[token] = float.NegativeInfinity;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public void Accept(int token)
    {
        _remaining--;
        if (_inside is { } inside)
        {
            inside.Accept(token);
            Leave(inside);
            return;
        }

        ReadOnlySpan<byte> bytes = _trigger.BytesOf(token);
        int behind = _trigger.Find(_tail, bytes);
        if (behind < 0)
        {
            _tail.AddRange(bytes);
            if (_tail.Count > _trigger.Length)
                _tail.RemoveRange(0, _tail.Count - _trigger.Length);
            return;
        }

        _tail.Clear();
        if (_block is null)
            return;
        _inside = new TokenConstraint(_vocabulary.Masker, _vocabulary.Tokenizer, _block, Math.Max(_remaining, (int)Math.Min(int.MaxValue, _block.ShortestDocument)), bytes[behind..], _vocabulary.Marks);
        Leave(_inside);
    }

    private void Leave(TokenConstraint inside)
    {
        if (!inside.MustStop)
            return;
        _inside = null;
        _mustEnd = _endsAfterCall;
    }

    /// <summary>Whether a token that would complete the trigger may: a call is allowed, fits, and what the token holds behind the trigger goes on with it.</summary>
    private bool MayBegin(int token)
    {
        ReadOnlySpan<byte> bytes = _trigger.BytesOf(token);
        int behind = _trigger.Find(_tail, bytes);
        if (behind < 0)
            return true;
        if (_block is null || _block.ShortestDocument > _remaining - 1)
            return false;
        return _block.Match().TryAdvance(bytes[behind..]);
    }
}
