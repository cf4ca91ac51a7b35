using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Grammar;
using KvChat.StructuredOutput.Json;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// Finds which tokens of a vocabulary a constraint allows. One per tokeniser; thread-safe.
/// </summary>
/// <remarks>
/// A mask is put together from parts that recur: within a lexeme, most tokens stay in it, and which ones depends on the place in the lexeme
/// alone (a string that is not yet closed allows the same tokens in every schema). Only the few tokens that run past the end of the lexeme
/// are walked on through what follows. Parts are kept by place, and all are forgotten when they outgrow a limit.
/// </remarks>
internal sealed class TokenMasker
{
    /// <summary>States of more threads keep a mask of their own.</summary>
    private const int FewThreads = 4;

    /// <summary>Ends of a lexeme that are followed one by one; where there are more, the small ones are made one trie.</summary>
    private const int FewExits = 6;

    /// <summary>Tokens below an exit from which on it is followed by itself.</summary>
    private const int LargeExit = 1_000;

    private readonly Lock gate = new();
    private readonly TokenTrie trie;
    private readonly int[] endIds;
    private readonly int words;
    private readonly long memoryLimit;
    private readonly TokenGathering found;
    private readonly LexemeWalk walk;
    private readonly Dictionary<(ByteNode, LengthWindow?, int), LexemeMask> lexemes = [];
    private readonly Dictionary<ParseThread, ThreadMask> threads = [];
    private readonly Dictionary<ParseState, StateMask> states = [];
    private UniformMasks? uniform;
    private long lexemeMemory;
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
        found = new TokenGathering(words);
        walk = new LexemeWalk(found);
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
        Parser parser = matcher.Constraint.Parser;
        long longest;
        lock (gate)
            longest = FillAll(parser, matcher.State, mask[..words]);
        if (longest >= remaining)
            FillWithin(parser, matcher.State, remaining, mask);
    }

    /// <summary>The tokens that a state allows; returns the longest of their shortest completions, or more.</summary>
    private long FillAll(Parser parser, ParseState state, Span<ulong> mask)
    {
        if (memory > memoryLimit / 2)
            Forget();
        if (state.Threads.Length <= FewThreads)
            return Gather(parser, state, mask);
        if (!states.TryGetValue(state, out StateMask? known))
        {
            var bits = new ulong[words];
            long longest = Gather(parser, state, bits);
            memory += 128 + (8L * words);
            states[state] = known = new StateMask(bits, longest);
        }

        known.Bits.CopyTo(mask);
        return known.LongestCompletion;
    }

    private long Gather(Parser parser, ParseState state, Span<ulong> mask)
    {
        mask.Clear();
        long longest = 0;
        foreach (ParseThread thread in state.Threads)
        {
            ThreadMask part = MaskOf(parser, thread);
            part.Inside.AddTo(mask);
            part.Beyond.AddTo(mask);
            longest = Math.Max(longest, part.LongestCompletion);
        }

        AllowEnd(state, mask);
        return longest;
    }

    private void AllowEnd(ParseState state, Span<ulong> bits)
    {
        if (!state.IsComplete)
            return;
        foreach (int id in endIds)
            bits[id >> 6] |= 1UL << (id & 63);
    }

    private ThreadMask MaskOf(Parser parser, ParseThread thread)
    {
        if (threads.TryGetValue(thread, out ThreadMask? known))
            return known;
        LexemeMask lexeme = MaskOf(thread);
        long longest = lexeme.LongestInside + (thread.Rest?.MinBytes ?? 0);
        if (lexeme.Exits.Length > 0 && thread.Rest is not null)
        {
            GoOn(parser, lexeme.Exits, thread.Rest);
            longest = Math.Max(longest, found.Longest);
        }

        TokenSet beyond = found.Take();
        memory += 96 + beyond.Size;
        return threads[thread] = new ThreadMask(lexeme.Inside, beyond, Math.Min(Piece.Never, longest));
    }

    /// <summary>Finds the tokens that go on behind a lexeme.</summary>
    private void GoOn(Parser parser, IReadOnlyList<Exit> exits, ParseStack? rest)
    {
        Expansion next = parser.LexemesOf(rest);
        if (next.Threads.Length > FewThreads)
        {
            // All threads at once, by states that are kept.
            ParseState after = parser.After(rest);
            foreach (Exit exit in exits)
                GoOn(parser, exit.Trie, exit.Node, after);
            return;
        }

        foreach (ParseThread thread in next.Threads)
        {
            foreach (Exit exit in exits)
            {
                List<Exit> further = walk.Run(exit, thread.Lexeme, (TextNode)thread.Node, 0, thread.Rest?.MinBytes ?? 0);
                if (further.Count > 0 && thread.Rest is not null)
                    GoOn(parser, further, thread.Rest);
            }
        }
    }

    private void GoOn(Parser parser, TokenTrie within, int from, ParseState state)
    {
        int end = within.End(from);
        for (int node = from + 1; node < end; node = within.End(node))
        {
            if (parser.Next(state, within.Label(node)) is not { } next)
                continue;
            found.Add(within.TokensAt(node), next.Shortest);
            if (!within.IsLeaf(node))
                GoOn(parser, within, node, next);
        }
    }

    private LexemeMask MaskOf(ParseThread thread)
    {
        LengthWindow? window = thread.Lexeme.Window;
        int count = window is null ? 0 : thread.Count;
        if (window is not null && window.IsFar(count, trie.LongestToken) && (window.IsUniform || thread.Node.IsCharacter))
            (window, count) = (null, 0); // far from both bounds the same tokens are allowed as without them
        (ByteNode, LengthWindow?, int) key = (thread.Node, window, count);
        if (lexemes.TryGetValue(key, out LexemeMask? known))
            return known;
        if (lexemeMemory > memoryLimit / 2)
        {
            lexemes.Clear();
            lexemeMemory = 0;
        }

        LexemeMask made = Make(thread, window, count);
        lexemeMemory += 96 + made.Inside.Size + (16L * made.Exits.Length);
        return lexemes[key] = made;
    }

    private LexemeMask Make(ParseThread thread, LengthWindow? window, int count)
    {
        if (window is { IsUniform: true } && thread.Node.IsCharacter)
            return (uniform ??= new UniformMasks(trie, words, Bundle)).MaskOf(window.Min - count, window.Max - (long)count);
        Lexeme lexeme = window is null ? thread.Lexeme.WithoutWindow() : thread.Lexeme;
        List<Exit> exits = walk.Run(new Exit(trie, 0), lexeme, (TextNode)thread.Node, count, 0);
        long longest = found.Longest;
        return new LexemeMask(found.Take(), longest, Bundle(exits));
    }

    /// <summary>Many small exits as one trie of what tokens have left there: the same few bytes follow in most.</summary>
    private static Exit[] Bundle(List<Exit> exits)
    {
        if (exits.Count <= FewExits)
            return [.. exits];
        List<Exit> large = [.. exits.Where(e => e.Trie.TokensBelow(e.Node).Length >= LargeExit)];
        int[] small = [.. exits.Where(e => e.Trie.TokensBelow(e.Node).Length < LargeExit).Select(e => e.Node)];
        if (small.Length > 0)
            large.Add(new Exit(exits[0].Trie.Merge(small), 0));
        return [.. large];
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
