using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// Finds which tokens of a vocabulary a constraint allows. One per tokeniser; thread-safe.
/// </summary>
/// <remarks>
/// A mask is put together from parts that recur: within a lexeme, most tokens stay in it, and which ones depends on the place in the lexeme
/// alone (a string that is not yet closed allows the same tokens in every schema). Only the few tokens that run past the end of the lexeme
/// are walked on through what follows. Parts are kept by place, masks by state, and all are forgotten when they outgrow a limit.
/// </remarks>
internal sealed class TokenMasker
{
    private readonly Lock gate = new();
    private readonly TokenTrie trie;
    private readonly int[] endIds;
    private readonly int words;
    private readonly long memoryLimit;
    private readonly Dictionary<(ByteNode, LengthWindow?, int), LexemeMask> lexemes = [];
    private readonly Dictionary<ParseThread, ThreadMask> threads = [];
    private readonly Dictionary<ParseState, StateMask> states = [];
    private long memory;

    /// <param name="tokenizer">The vocabulary.</param>
    /// <param name="memoryLimit">Most bytes of remembered masks.</param>
    /// <exception cref="NotSupportedException">The vocabulary lacks tokens of single bytes, so not every document could be written.</exception>
    public TokenMasker(Tokenizer tokenizer, long memoryLimit = 64L << 20)
        : this(TokenTrie.Of(tokenizer), [.. tokenizer.EndOfGenerationIds], memoryLimit)
    {
    }

    /// <param name="trie">The tokens that are text.</param>
    /// <param name="endIds">Tokens that end an answer.</param>
    /// <param name="memoryLimit">Most bytes of remembered masks.</param>
    public TokenMasker(TokenTrie trie, int[] endIds, long memoryLimit = 64L << 20)
    {
        this.trie = trie;
        this.endIds = endIds;
        this.memoryLimit = memoryLimit;
        words = (trie.VocabularySize + 63) / 64;
        CheckBytes(trie);
    }

    /// <summary>Words of 64 bits that a mask has.</summary>
    public int Words => words;

    /// <summary>The tokens that may come next; bit <c>id % 64</c> of word <c>id / 64</c>. Tokens that end the answer are in it exactly when the document may end.</summary>
    /// <param name="matcher">Where the document stands.</param>
    /// <param name="remaining">Tokens that may still be written, this one included: only those are allowed after which the document can be finished in the rest.</param>
    /// <param name="mask">Takes <see cref="Words"/> words.</param>
    public void Fill(ConstraintMatcher matcher, int remaining, Span<ulong> mask)
    {
        StateMask whole = MaskOf(matcher.Constraint.Parser, matcher.State);
        if (whole.LongestCompletion < remaining)
            whole.Bits.CopyTo(mask);
        else
            FillWithin(matcher.Constraint.Parser, matcher.State, remaining, mask);
    }

    private StateMask MaskOf(Parser parser, ParseState state)
    {
        lock (gate)
        {
            if (states.TryGetValue(state, out StateMask? known))
                return known;
            if (memory > memoryLimit)
                Forget();
            var bits = new ulong[words];
            long longest = 0;
            foreach (ParseThread thread in state.Threads)
            {
                ThreadMask mask = MaskOf(parser, thread);
                mask.Tokens.AddTo(bits);
                longest = Math.Max(longest, mask.LongestCompletion);
            }

            AllowEnd(state, bits);
            memory += 128 + (8L * words);
            return states[state] = new StateMask(bits, longest);
        }
    }

    private void AllowEnd(ParseState state, Span<ulong> bits)
    {
        foreach (int id in endIds)
        {
            if (state.IsComplete)
                bits[id >> 6] |= 1UL << (id & 63);
        }
    }

    private ThreadMask MaskOf(Parser parser, ParseThread thread)
    {
        if (threads.TryGetValue(thread, out ThreadMask? known))
            return known;
        LexemeMask lexeme = MaskOf(thread);
        var beyond = new List<int>();
        long longest = Math.Min(Piece.Never, lexeme.LongestInside + (thread.Rest?.MinBytes ?? 0));
        if (lexeme.Exits.Length > 0)
        {
            ParseState after = parser.After(thread.Rest);
            foreach (int node in lexeme.Exits)
                longest = Math.Max(longest, WalkOn(parser, node, after, beyond));
        }

        TokenSet all = beyond.Count == 0 ? lexeme.Inside : Join(lexeme.Inside, beyond);
        memory += 96 + (beyond.Count == 0 ? 0 : all.Size);
        return threads[thread] = new ThreadMask(all, longest);
    }

    private TokenSet Join(TokenSet inside, List<int> beyond)
    {
        var bits = new ulong[words];
        inside.AddTo(bits);
        var ids = new List<int>(beyond);
        for (int w = 0; w < words; w++)
        {
            for (ulong rest = bits[w]; rest != 0; rest &= rest - 1)
                ids.Add((w << 6) + System.Numerics.BitOperations.TrailingZeroCount(rest));
        }

        return TokenSet.From(ids, words);
    }

    /// <summary>Tokens below a node of the trie that a state lets through; returns the longest of their completions.</summary>
    private long WalkOn(Parser parser, int from, ParseState start, List<int> found)
    {
        long longest = 0;
        int end = trie.End(from);
        for (int node = from + 1; node < end;)
        {
            if (parser.Next(start, trie.Label(node)) is { } next)
            {
                foreach (int id in trie.TokensAt(node))
                {
                    found.Add(id);
                    longest = Math.Max(longest, next.Shortest);
                }

                longest = Math.Max(longest, WalkOn(parser, node, next, found));
            }

            node = trie.End(node);
        }

        return longest;
    }

    private LexemeMask MaskOf(ParseThread thread)
    {
        int count = thread.Lexeme.Window is { } window ? SameAs(window, thread.Count) : 0;
        (ByteNode, LengthWindow?, int) key = (thread.Node, thread.Lexeme.Window, count);
        if (lexemes.TryGetValue(key, out LexemeMask? known))
            return known;
        var inside = new List<int>();
        var exits = new List<int>();
        long longest = WalkInside(thread.Lexeme, 0, thread.Node, count, inside, exits);
        TokenSet set = TokenSet.From(inside, words);
        memory += 96 + set.Size + (4L * exits.Count);
        return lexemes[key] = new LexemeMask(set, [.. exits], longest);
    }

    /// <summary>A count at which the same tokens are allowed: far from both bounds no token reaches them.</summary>
    private int SameAs(LengthWindow window, int count)
    {
        int reach = trie.LongestToken + 1;
        bool farFromMin = count >= window.Min || count + reach < window.Min;
        return farFromMin && window.IsUniform && count >= window.Min && window.Max - (long)count > reach ? window.Min : count;
    }

    private long WalkInside(Lexeme lexeme, int from, ByteNode at, int count, List<int> inside, List<int> exits)
    {
        long longest = 0;
        int end = trie.End(from);
        for (int node = from + 1; node < end; node = trie.End(node))
        {
            int nextCount = count;
            if (lexeme.Step(at, ref nextCount, trie.Label(node)) is not { } next)
                continue;
            ReadOnlySpan<int> tokens = trie.TokensAt(node);
            if (tokens.Length > 0)
            {
                foreach (int id in tokens)
                    inside.Add(id);
                longest = Math.Max(longest, next.Shortest(lexeme.Window, nextCount));
            }

            bool isLeaf = trie.End(node) == node + 1;
            if (isLeaf)
                continue;
            if (next.Accepts)
                exits.Add(node);
            if (next.HasMoves)
                longest = Math.Max(longest, WalkInside(lexeme, node, next, nextCount, inside, exits));
        }

        return longest;
    }

    /// <summary>Near the limit each token is looked at: may the document be finished in what is left after it?</summary>
    private void FillWithin(Parser parser, ParseState state, int remaining, Span<ulong> mask)
    {
        mask.Clear();
        AllowEnd(state, mask);
        WalkWithin(parser, 0, state, remaining - 1, mask);
    }

    private void WalkWithin(Parser parser, int from, ParseState state, int left, Span<ulong> mask)
    {
        int end = trie.End(from);
        for (int node = from + 1; node < end; node = trie.End(node))
        {
            if (parser.Next(state, trie.Label(node)) is not { } next)
                continue;
            if (next.Shortest <= left)
            {
                foreach (int id in trie.TokensAt(node))
                    mask[id >> 6] |= 1UL << (id & 63);
            }

            WalkWithin(parser, node, next, left, mask);
        }
    }

    private void Forget()
    {
        lexemes.Clear();
        threads.Clear();
        states.Clear();
        memory = 0;
    }

    /// <summary>Every printable character of ASCII and the line feed must be a token: else a forced text could have none.</summary>
    private static void CheckBytes(TokenTrie trie)
    {
        var single = new bool[256];
        for (int node = 1; node < trie.NodeCount; node = trie.End(node))
            single[trie.Label(node)] = trie.TokensAt(node).Length > 0;
        for (int b = ' '; b <= '~'; b++)
        {
            if (!single[b])
                throw new NotSupportedException($"The vocabulary has no token for the single character '{(char)b}'; structured output needs one for each printable character of ASCII.");
        }
    }
}
