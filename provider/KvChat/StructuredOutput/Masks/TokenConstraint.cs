using System.Numerics;
using KvChat.Runtime.Sampling;

namespace KvChat.StructuredOutput.Masks;

/// <summary>Holds one answer to a constraint while tokens are drawn. Used by one thread at a time; allocates nothing where masks are known.</summary>
internal sealed class TokenConstraint : ITokenConstraint
{
    private readonly TokenMasker masker;
    private readonly Runtime.Text.Tokenizer tokenizer;
    private readonly ConstraintMatcher matcher;
    private readonly ulong[] mask;
    private readonly HashSet<int> endIds;
    private readonly IReadOnlyList<int> marks;
    private int remaining;

    /// <param name="masker">Made for the tokeniser.</param>
    /// <param name="tokenizer">The vocabulary.</param>
    /// <param name="constraint">What the answer must be.</param>
    /// <param name="maxTokens">Most tokens of the answer; it will be complete within them.</param>
    /// <param name="written">Bytes of the document that are written already.</param>
    /// <param name="marks">Special tokens that may stand for their text where the form itself has that text, such as those around calls.</param>
    /// <exception cref="ArgumentOutOfRangeException">The shortest document may not fit into so many tokens.</exception>
    /// <exception cref="ArgumentException">No document begins with what is written.</exception>
    public TokenConstraint(TokenMasker masker, Runtime.Text.Tokenizer tokenizer, Constraint constraint, int maxTokens, ReadOnlySpan<byte> written = default, IReadOnlyList<int>? marks = null)
    {
        constraint.EnsureFits(maxTokens);
        this.masker = masker;
        this.tokenizer = tokenizer;
        this.marks = marks ?? [];
        matcher = constraint.Match();
        if (!matcher.TryAdvance(written))
            throw new ArgumentException($"No document of the {constraint.Description} begins so.", nameof(written));
        mask = new ulong[masker.Words];
        endIds = [.. tokenizer.EndOfGenerationIds];
        remaining = maxTokens;
    }

    /// <summary>Whether the answer is a whole document.</summary>
    public bool IsComplete => matcher.IsComplete;

    /// <summary>Whether only the end can follow.</summary>
    public bool MustStop => matcher.MustStop;

    /// <summary>Sets the logits of forbidden tokens to minus infinity.</summary>
    /// <param name="logits">By token; those beyond the vocabulary are forbidden.</param>
    /// <returns>Whether a token is left: false only where the document is complete and the vocabulary has no token that ends an answer.</returns>
    /// <exception cref="InvalidOperationException">The vocabulary has no token that goes on, though the document is not complete.</exception>
    public bool Apply(Span<float> logits)
    {
        masker.Fill(matcher, remaining, mask);
        for (int i = 0; i < marks.Count; i++)
        {
            if (matcher.ShortestBehind(tokenizer.BytesOf(marks[i])) is >= 0 and var behind && behind < remaining)
                mask[marks[i] >> 6] |= 1UL << (marks[i] & 63);
        }

        bool any = false;
        for (int w = 0; w < mask.Length; w++)
        {
            ulong allowed = mask[w];
            any |= allowed != 0;
            if (allowed == ulong.MaxValue)
                continue;
            Span<float> part = logits[(w << 6)..Math.Min(logits.Length, (w + 1) << 6)];
            if (allowed == 0)
            {
                part.Fill(float.NegativeInfinity);
                continue;
            }

            for (ulong forbidden = ~allowed; forbidden != 0; forbidden &= forbidden - 1)
            {
                int i = BitOperations.TrailingZeroCount(forbidden);
                if (i < part.Length)
                    part[i] = float.NegativeInfinity;
            }
        }

        if (logits.Length > mask.Length << 6)
            logits[(mask.Length << 6)..].Fill(float.NegativeInfinity);
        if (!any && !matcher.IsComplete)
            throw new InvalidOperationException($"No token of the vocabulary goes on with the {matcher.Constraint.Description}; it lacks tokens for single bytes.");
        return any;
    }

    /// <summary>Goes on by a token that was drawn.</summary>
    /// <exception cref="ArgumentException">The constraint forbids it.</exception>
    public void Accept(int token)
    {
        remaining--;
        if (endIds.Contains(token) && matcher.IsComplete)
            return;
        if (endIds.Contains(token) || !matcher.TryAdvance(tokenizer.BytesOf(token)))
            throw new ArgumentException($"Token {token} ('{tokenizer.TextOf(token)}') is not allowed here.", nameof(token));
    }
}
