using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput.Masks;

/// <summary>
/// Walks a trie along a lexeme. Between characters of ASCII a state is a number and a step one look into a table; where a state leads back
/// to itself by all bytes below a node, the tokens below it are taken at once. What is left (escapes, UTF-8 sequences) goes node by node.
/// </summary>
internal sealed class LexemeWalk
{
    private readonly TokenGathering found;
    private readonly int[] states = new int[TokenTrie.MostBytes + 2];
    private readonly int[] counts = new int[TokenTrie.MostBytes + 2];
    private TokenTrie trie = null!;
    private Lexeme lexeme = null!;
    private TextAutomaton automaton = null!;
    private List<Exit> exits = [];
    private long behind;

    /// <param name="found">Takes the tokens.</param>
    public LexemeWalk(TokenGathering found) => this.found = found;

    /// <param name="from">Where in a trie the text stands.</param>
    /// <param name="within">The lexeme.</param>
    /// <param name="at">Where in it the text stands.</param>
    /// <param name="count">Characters of it so far.</param>
    /// <param name="bytesBehind">Fewest bytes that must come behind the lexeme.</param>
    /// <returns>Where the lexeme may end while tokens go on.</returns>
    public List<Exit> Run(Exit from, Lexeme within, TextNode at, int count, long bytesBehind)
    {
        (trie, lexeme, automaton, behind, exits) = (from.Trie, within, at.Automaton, bytesBehind, []);
        Walk(from.Node, at, count);
        return exits;
    }

    private void Walk(int from, TextNode at, int count)
    {
        if (at.Kind == TextNodeKind.Between)
        {
            WalkCharacters(from, at.State, count);
            return;
        }

        int end = trie.End(from);
        for (int node = from + 1; node < end; node = trie.End(node))
            Step(node, at, count);
    }

    /// <summary>Takes the byte on the edge to a node, then goes on below it.</summary>
    private void Step(int node, TextNode at, int count)
    {
        if (lexeme.Step(at, ref count, trie.Label(node)) is not TextNode next)
            return;
        found.Add(trie.TokensAt(node), behind + next.Shortest(lexeme.Window, count));
        if (trie.IsLeaf(node))
            return;
        if (next.Accepts)
            exits.Add(new Exit(trie, node));
        if (next.HasMoves)
            Walk(node, next, count);
    }

    private void WalkCharacters(int from, int state, int count)
    {
        bool quoted = automaton.IsQuoted;
        int depth = trie.Depth(from), end = trie.End(from);
        (states[depth], counts[depth]) = (state, count);
        for (int node = from + 1; node < end;)
        {
            int before = trie.Depth(node) - 1;
            byte b = trie.Label(node);
            if (b >= 0x80 || (quoted && b is (byte)'\\' or (byte)'"'))
            {
                Step(node, automaton.Between(states[before]), counts[before]);
                node = trie.End(node);
                continue;
            }

            int next = quoted && b < 0x20 ? -1 : automaton.Dfa.Next(states[before], b);
            node = next >= 0 && Enter(node, next, counts[before] + 1) ? node + 1 : trie.End(node);
        }
    }

    /// <summary>Arrives at a node in a state between characters; returns whether to go on below it.</summary>
    private bool Enter(int node, int state, int count)
    {
        LengthWindow? window = lexeme.Window;
        if (window is not null && !window.CanFinish(state, count))
            return false;
        long rest = behind + automaton.ShortestFrom(state, window, count);
        found.Add(trie.TokensAt(node), rest);
        if (trie.IsLeaf(node))
            return false;
        bool mayEnd = !automaton.IsQuoted && automaton.Dfa.Accepts(state) && (window is null || window.MayEnd(count));
        if (mayEnd)
            exits.Add(new Exit(trie, node));
        else if ((window is null || window.IsFar(count, trie.LongestToken)) && trie.Below(node).IsWithin(automaton.LoopsOf(state)))
        {
            found.Add(trie.TokensBelow(node), rest);
            return false;
        }

        int depth = trie.Depth(node);
        (states[depth], counts[depth]) = (state, count);
        return true;
    }
}
