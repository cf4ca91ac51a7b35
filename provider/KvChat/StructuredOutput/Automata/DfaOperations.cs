using System.Runtime.InteropServices;
using System.Text;

namespace KvChat.StructuredOutput.Automata;

/// <summary>Automata out of automata, and out of lists of words.</summary>
internal static class DfaOperations
{
    /// <summary>The texts that both accept.</summary>
    /// <exception cref="AutomatonTooLargeException">There are more than <paramref name="stateLimit"/> states.</exception>
    public static CharDfa Intersect(CharDfa a, CharDfa b, int stateLimit = 50_000)
    {
        if (a.IsEmpty || b.IsEmpty)
            return a.IsEmpty ? a : b;
        int[] starts = [.. a.RangeStarts.ToArray().Concat(b.RangeStarts.ToArray()).Distinct().Order()];
        var pairs = new Dictionary<(int, int), int>();
        var classes = new int[starts.Length];
        for (int r = 0; r < starts.Length; r++)
        {
            (int, int) pair = (a.RangeClasses[a.RangeOf(starts[r])], b.RangeClasses[b.RangeOf(starts[r])]);
            classes[r] = pair.Item1 < 0 || pair.Item2 < 0 ? -1 : pairs.TryGetValue(pair, out int c) ? c : pairs[pair] = pairs.Count;
        }

        var byClass = new (int A, int B)[pairs.Count];
        foreach (((int, int) pair, int c) in pairs)
            byClass[c] = pair;
        var number = new Dictionary<long, int> { [0] = 0 };
        List<(int A, int B)> states = [(0, 0)];
        List<int[]> rows = [];
        for (int s = 0; s < states.Count; s++)
        {
            var row = new int[byClass.Length];
            (int fromA, int fromB) = states[s];
            for (int c = 0; c < row.Length; c++)
            {
                int toA = a.NextByClass(fromA, byClass[c].A), toB = toA < 0 ? -1 : b.NextByClass(fromB, byClass[c].B);
                if (toB < 0)
                {
                    row[c] = -1;
                    continue;
                }

                ref int known = ref CollectionsMarshal.GetValueRefOrAddDefault(number, ((long)toA << 32) | (uint)toB, out bool isKnown);
                if (!isKnown)
                {
                    known = states.Count;
                    states.Add((toA, toB));
                    if (states.Count > stateLimit)
                        throw new AutomatonTooLargeException($"the automaton has more than {stateLimit} states");
                }

                row[c] = known;
            }

            rows.Add(row);
        }

        return DfaBuilder.Trim(starts, classes, byClass.Length, rows, [.. states.Select(s => a.Accepts(s.A) && b.Accepts(s.B))]);
    }

    /// <summary>All texts that an automaton does not accept.</summary>
    public static CharDfa Complement(CharDfa dfa)
    {
        if (dfa.IsEmpty)
            return ExceptWords([]);
        // Characters of no class get one; the last state is where the automaton had none.
        int other = dfa.ClassCount, sink = dfa.StateCount;
        List<int> starts = [.. dfa.RangeStarts], classes = [.. dfa.RangeClasses];
        foreach (int border in (int[])[0xD800, 0xE000])
        {
            int at = starts.BinarySearch(border);
            if (at < 0)
            {
                starts.Insert(~at, border);
                classes.Insert(~at, classes[~at - 1]);
            }
        }

        for (int r = 0; r < classes.Count; r++)
            classes[r] = starts[r] is >= 0xD800 and < 0xE000 ? -1 : classes[r] < 0 ? other : classes[r];
        List<int[]> rows = [];
        for (int s = 0; s <= sink; s++)
        {
            int state = s;
            rows.Add([.. Enumerable.Range(0, other + 1).Select(c => state == sink || c == other || dfa.NextByClass(state, c) is not (>= 0 and int t) ? sink : t)]);
        }

        return DfaBuilder.Trim([.. starts], [.. classes], other + 1, rows, [.. Enumerable.Range(0, sink + 1).Select(s => s == sink || !dfa.Accepts(s))]);
    }

    /// <summary>The automaton of a list of words: their common beginnings are shared.</summary>
    public static CharDfa FromWords(IReadOnlyCollection<string> words) => WordTree(words, false);

    /// <summary>The automaton of all texts but some words.</summary>
    public static CharDfa ExceptWords(IReadOnlyCollection<string> words) => WordTree(words, true);

    private static CharDfa WordTree(IReadOnlyCollection<string> words, bool except)
    {
        int[] letters = [.. words.SelectMany(w => w.EnumerateRunes()).Select(r => r.Value).Distinct().Order()];
        int classes = letters.Length + (except ? 1 : 0);
        List<int[]> rows = [];
        List<bool> ends = [];
        int Add()
        {
            var row = new int[classes];
            Array.Fill(row, -1);
            rows.Add(row);
            ends.Add(false);
            return rows.Count - 1;
        }

        Add();
        foreach (string word in words)
        {
            int state = 0;
            foreach (Rune rune in word.EnumerateRunes())
            {
                int letter = Array.BinarySearch(letters, rune.Value);
                int to = rows[state][letter];
                if (to < 0)
                    rows[state][letter] = to = Add();
                state = to;
            }

            ends[state] = true;
        }

        (int[] starts, int[] rangeClasses) = RangesOf(letters, except ? letters.Length : -1);
        return except ? AllBut(starts, rangeClasses, classes, rows, ends) : DfaBuilder.Trim(starts, rangeClasses, classes, rows, ends);
    }

    /// <summary>Where words do not lead, everything is accepted.</summary>
    private static CharDfa AllBut(int[] starts, int[] rangeClasses, int classes, List<int[]> rows, List<bool> ends)
    {
        int everything = rows.Count;
        rows.Add(new int[classes]);
        ends.Add(false);
        var next = new int[rows.Count * classes];
        for (int i = 0; i < next.Length; i++)
            next[i] = i >= everything * classes || rows[i / classes][i % classes] < 0 ? everything : rows[i / classes][i % classes];
        return new CharDfa(starts, rangeClasses, classes, next, [.. ends.Select(e => !e)]);
    }

    /// <summary>A class for each letter, and one for all others, which may be -1 for none.</summary>
    private static (int[] Starts, int[] Classes) RangesOf(int[] letters, int others)
    {
        var classAt = new SortedDictionary<int, int> { [0] = others, [0xD800] = -1, [0xE000] = others };
        for (int i = 0; i < letters.Length; i++)
            classAt.TryAdd(letters[i] + 1, others);
        for (int i = 0; i < letters.Length; i++)
            classAt[letters[i]] = i;
        classAt.Remove(CharSet.Limit);
        return ([.. classAt.Keys], [.. classAt.Values]);
    }
}
