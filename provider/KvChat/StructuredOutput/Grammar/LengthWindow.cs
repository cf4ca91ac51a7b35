using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Grammar;

/// <summary>
/// Bounds on the number of characters of a string that an automaton accepts. The table says for each state in how many further
/// characters a text can end, and in how few bytes. Counts above <c>min + states</c> need no rows: a longer text runs through some state
/// twice, and without that loop it is shorter by at most the number of states and still long enough.
/// </summary>
internal sealed class LengthWindow
{
    /// <summary>Most cells of the table: 16 MB.</summary>
    private const long MostCells = 4_000_000;

    private readonly int[][] bytes;
    private readonly bool isUniform;

    /// <param name="automaton">The automaton whose characters are counted.</param>
    /// <param name="min">Fewest characters.</param>
    /// <param name="max">Most characters, or <see cref="LanguageFactory.Unbounded"/>.</param>
    /// <exception cref="AutomatonTooLargeException">The table would be too large.</exception>
    public LengthWindow(TextAutomaton automaton, int min, int max)
    {
        Automaton = automaton;
        Min = min;
        Max = max;
        CharDfa dfa = automaton.Dfa;
        // Where every text is accepted, arithmetic answers and no table is needed.
        isUniform = automaton.AcceptsEverything;
        long rows = Math.Min(max, (long)min + dfa.StateCount) + 1;
        if (!isUniform && rows * dfa.StateCount > MostCells)
            throw new AutomatonTooLargeException($"length bounds {min} to {max} on an automaton of {dfa.StateCount} states");
        bytes = isUniform || dfa.IsEmpty ? [] : FillTable(automaton, (int)rows);
    }

    public TextAutomaton Automaton { get; }

    /// <summary>Whether every text is accepted, so that lengths alone decide.</summary>
    public bool IsUniform => isUniform;

    public int Min { get; }

    public int Max { get; }

    /// <summary>Whether a string may end after so many characters.</summary>
    public bool MayEnd(int count) => count >= Min && count <= Max;

    /// <summary>Whether some text ends in time from a node between characters.</summary>
    public bool CanFinish(ByteNode node, int count) => CanFinish(((TextNode)node).State, count);

    /// <summary>Whether some text ends in time from a state between characters.</summary>
    public bool CanFinish(int state, int count)
    {
        if (isUniform)
            return count <= Max;
        // Some end is nearer than there are states; where the least length is reached it counts.
        if (count >= Min && Max - (long)count >= Automaton.Dfa.StateCount)
            return true;
        int last = (int)Math.Min(bytes.Length - 1, (long)Max - count);
        for (int k = Math.Max(0, Min - count); k <= last; k++)
        {
            if (bytes[k][state] < int.MaxValue)
                return true;
        }

        return false;
    }

    /// <summary>Whether a token of so many bytes cannot bring a text near the bounds, wherever in the automaton it stands.</summary>
    public bool IsFar(int count, int tokenBytes) => count >= Min && (Max == LanguageFactory.Unbounded || Max - (long)count - tokenBytes >= (isUniform ? 0 : Automaton.Dfa.StateCount));

    /// <summary>Whether a character that has begun can be finished so that some text ends in time.</summary>
    public bool CanStartCharacter(ByteNode node, int count) => isUniform
        ? count < Max || ((TextNode)node).Kind == TextNodeKind.Open
        : ((TextNode)node).Shortest(this, count) < Piece.Never;

    /// <summary>Fewest bytes (without a closing quote) to an end from a state after so many characters; int.MaxValue where none is in time.</summary>
    public int Bytes(int state, int count)
    {
        if (isUniform)
            return count > Max ? int.MaxValue : Math.Max(0, Min - count);
        // The shortest way runs through no state twice.
        if (count >= Min && Max - (long)count >= Automaton.Dfa.StateCount)
            return Automaton.ShortestFrom(state);
        int least = int.MaxValue;
        int last = (int)Math.Min(bytes.Length - 1, (long)Max - count);
        for (int k = Math.Max(0, Min - count); k <= last; k++)
            least = Math.Min(least, bytes[k][state]);
        return least;
    }

    private static int[][] FillTable(TextAutomaton automaton, int rows)
    {
        CharDfa dfa = automaton.Dfa;
        var table = new int[rows][];
        if (rows == 0)
            return table;
        (int To, int Bytes)[][] ways = [.. Enumerable.Range(0, rows == 1 ? 0 : dfa.StateCount).Select(s => Ways(automaton, s))];
        table[0] = [.. Enumerable.Range(0, dfa.StateCount).Select(s => dfa.Accepts(s) ? 0 : int.MaxValue)];
        for (int k = 1; k < rows; k++)
        {
            int[] before = table[k - 1], row = table[k] = new int[dfa.StateCount];
            for (int s = 0; s < row.Length; s++)
            {
                int least = int.MaxValue;
                foreach ((int to, int bytes) in ways[s])
                {
                    if (before[to] < int.MaxValue)
                        least = Math.Min(least, before[to] + bytes);
                }

                row[s] = least;
            }
        }

        return table;
    }

    /// <summary>Where a state leads, and by how few bytes: classes of characters are many, and states behind one are few.</summary>
    private static (int To, int Bytes)[] Ways(TextAutomaton automaton, int state)
    {
        var ways = new Dictionary<int, int>();
        for (int c = 0; c < automaton.Dfa.ClassCount; c++)
        {
            int to = automaton.Dfa.NextByClass(state, c);
            if (to >= 0)
                ways[to] = Math.Min(automaton.BytesOfClass(c), ways.GetValueOrDefault(to, int.MaxValue));
        }

        return [.. ways.Select(w => (w.Key, w.Value))];
    }
}
