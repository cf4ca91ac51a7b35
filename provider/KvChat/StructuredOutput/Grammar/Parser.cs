namespace KvChat.StructuredOutput.Grammar;

/// <summary>
/// Follows a grammar byte by byte: a push-down automaton whose non-determinism is a set of threads, with states made as they are met and
/// shared by all who use the grammar. Thread-safe; known transitions take no lock.
/// </summary>
internal sealed class Parser
{
    /// <summary>The state from which nothing goes on.</summary>
    public static readonly ParseState Dead = new([], true);

    /// <summary>
    /// Most threads of a state. Where a grammar is more ambiguous, the threads with the shortest ends are kept: fewer texts are accepted then, never a wrong one.
    /// </summary>
    private const int MostThreads = 2_000;

    /// <summary>Depth of arrays and objects from which only the shortest way to the end is offered; readers commonly refuse a depth of 64.</summary>
    private const int DeepNesting = 48;

    /// <summary>When more objects than this are remembered, all are forgotten; those in use stay alive and are merely no longer shared.</summary>
    private const int MostRemembered = 150_000;

    private readonly Lock gate = new();
    private readonly Dictionary<(Piece, ParseStack?), ParseStack> stacks = [];
    private readonly Dictionary<(Lexeme, ByteNode, int, ParseStack?), ParseThread> threads = [];
    private readonly Dictionary<ThreadSet, ParseState> states = [];
    private readonly ParseStack root;
    private int nextId;

    /// <param name="root">A settled grammar that can be written.</param>
    public Parser(Piece root)
    {
        this.root = Push(root, null);
        lock (gate)
            Start = MakeState(Expand(this.root));
    }

    /// <summary>Before the first byte.</summary>
    public ParseState Start { get; private set; }

    /// <summary>The state after a byte, or null where no text goes on so.</summary>
    public ParseState? Next(ParseState state, byte value)
    {
        ParseState? known = state.Known(value);
        if (known is null)
        {
            lock (gate)
            {
                known = Step(state, value);
                state.Remember(value, known);
            }
        }

        return ReferenceEquals(known, Dead) ? null : known;
    }

    /// <summary>The state in which only what follows a lexeme is to come.</summary>
    public ParseState After(ParseStack? rest)
    {
        lock (gate)
            return MakeState(Expand(rest));
    }

    /// <summary>The lexemes with which what follows can begin.</summary>
    public Expansion LexemesOf(ParseStack? rest)
    {
        lock (gate)
            return Expand(rest);
    }

    private ParseState Step(ParseState state, byte value)
    {
        var found = new HashSet<ParseThread>();
        bool mayEnd = false;
        foreach (ParseThread thread in state.Threads)
        {
            int count = thread.Count;
            if (thread.Lexeme.Step(thread.Node, ref count, value) is not { } node)
                continue;
            if (node.HasMoves)
                found.Add(Thread(thread.Lexeme, node, count, thread.Rest));
            if (!node.Accepts)
                continue;
            Expansion after = Expand(thread.Rest);
            mayEnd |= after.MayEnd;
            found.UnionWith(after.Threads);
        }

        return found.Count == 0 && !mayEnd ? Dead : MakeState(new Expansion([.. found], mayEnd));
    }

    private ParseState MakeState(Expansion from)
    {
        ParseThread[] all = from.Threads;
        if (all.Length > MostThreads)
            all = [.. all.OrderBy(t => t.Shortest).Take(MostThreads)];
        Array.Sort(all, (a, b) => a.Id.CompareTo(b.Id));
        var key = new ThreadSet(all, from.MayEnd);
        if (!states.TryGetValue(key, out ParseState? state))
            states[key] = state = new ParseState(all, from.MayEnd);
        return state;
    }

    private Expansion Expand(ParseStack? stack)
    {
        if (stack is null)
            return new Expansion([], true);
        if (stack.Expansion is { } known)
            return known;
        var found = new HashSet<ParseThread>();
        var seen = new HashSet<ParseStack>();
        var open = new Stack<ParseStack>([stack]);
        bool mayEnd = false;
        void Reach(ParseStack? next)
        {
            if (next is null)
                mayEnd = true;
            else if (seen.Add(next))
                open.Push(next);
        }

        while (open.TryPop(out ParseStack? s))
        {
            if (s.Top is Lexeme lexeme)
            {
                if (lexeme.Start.HasMoves && lexeme.CanBeWritten)
                    found.Add(Thread(lexeme, lexeme.Start, 0, s.Rest));
                if (lexeme.IsNullable)
                    Reach(s.Rest);
                continue;
            }

            foreach (IReadOnlyList<Piece> way in WaysFrom((Nonterminal)s.Top, s.Depth))
                Reach(PushAll(way, s.Rest));
        }

        var result = new Expansion([.. found], mayEnd);
        stack.Expansion = result;
        return result;
    }

    private static IEnumerable<IReadOnlyList<Piece>> WaysFrom(Nonterminal top, int depth)
    {
        IEnumerable<IReadOnlyList<Piece>> ways = top.Expand();
        return depth < DeepNesting ? ways : ways.Where(w => w.Sum(p => p.MinBytes) <= top.MinBytes);
    }

    private ParseStack? PushAll(IReadOnlyList<Piece> pieces, ParseStack? rest)
    {
        for (int i = pieces.Count - 1; i >= 0; i--)
            rest = Push(pieces[i], rest);
        return rest;
    }

    private ParseStack Push(Piece top, ParseStack? rest)
    {
        if (!stacks.TryGetValue((top, rest), out ParseStack? stack))
        {
            Forget();
            stacks[(top, rest)] = stack = new ParseStack(top, rest);
        }

        return stack;
    }

    private ParseThread Thread(Lexeme lexeme, ByteNode node, int count, ParseStack? rest)
    {
        if (!threads.TryGetValue((lexeme, node, count, rest), out ParseThread? thread))
        {
            Forget();
            threads[(lexeme, node, count, rest)] = thread = new ParseThread(nextId++, lexeme, node, count, rest);
        }

        return thread;
    }

    private void Forget()
    {
        if (stacks.Count + threads.Count + states.Count < MostRemembered)
            return;
        stacks.Clear();
        threads.Clear();
        states.Clear();
        // A fresh start, or the old one would keep all that was ever reached from it.
        if (Start is not null)
            Start = new ParseState(Start.Threads, Start.IsComplete);
    }

    private readonly struct ThreadSet(ParseThread[] threads, bool mayEnd) : IEquatable<ThreadSet>
    {
        private ParseThread[] Threads => threads;

        private bool MayEnd => mayEnd;

        public bool Equals(ThreadSet other) => MayEnd == other.MayEnd && Threads.AsSpan().SequenceEqual(other.Threads);

        public override bool Equals(object? obj) => obj is ThreadSet other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(MayEnd);
            foreach (ParseThread thread in Threads)
                hash.Add(thread.Id);
            return hash.ToHashCode();
        }
    }
}
