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
        var number = new Dictionary<(int A, int B), int> { [(0, 0)] = 0 };
        List<(int A, int B)> states = [(0, 0)];
        List<int[]> rows = [];
        for (int s = 0; s < states.Count; s++)
        {
            var row = new int[byClass.Length];
            for (int c = 0; c < row.Length; c++)
            {
                (int A, int B) t = (a.NextByClass(states[s].A, byClass[c].A), b.NextByClass(states[s].B, byClass[c].B));
                if (t.A < 0 || t.B < 0)
                {
                    row[c] = -1;
                    continue;
                }

                if (!number.TryGetValue(t, out row[c]))
                {
                    row[c] = number[t] = states.Count;
                    states.Add(t);
                    if (states.Count > stateLimit)
                        throw new AutomatonTooLargeException($"the automaton has more than {stateLimit} states");
                }
            }

            rows.Add(row);
        }

        return DfaBuilder.Trim(starts, classes, byClass.Length, rows, [.. states.Select(s => a.Accepts(s.A) && b.Accepts(s.B))]);
    }

    /// <summary>The automaton of a list of words: their common beginnings are shared.</summary>
    public static CharDfa FromWords(IReadOnlyCollection<string> words)
    {
        int[] letters = [.. words.SelectMany(w => w.EnumerateRunes()).Select(r => r.Value).Distinct().Order()];
        List<int[]> rows = [];
        List<bool> accepts = [];
        int Add()
        {
            var row = new int[letters.Length];
            Array.Fill(row, -1);
            rows.Add(row);
            accepts.Add(false);
            return rows.Count - 1;
        }

        Add();
        foreach (string word in words)
        {
            int state = 0;
            foreach (Rune rune in word.EnumerateRunes())
            {
                ref int to = ref rows[state][Array.BinarySearch(letters, rune.Value)];
                state = to < 0 ? to = Add() : to;
            }

            accepts[state] = true;
        }

        var starts = new List<int>();
        var classes = new List<int>();
        if (letters.Length == 0 || letters[0] != 0)
        {
            starts.Add(0);
            classes.Add(-1);
        }

        for (int i = 0; i < letters.Length; i++)
        {
            starts.Add(letters[i]);
            classes.Add(i);
            if (i + 1 == letters.Length || letters[i + 1] != letters[i] + 1)
            {
                starts.Add(letters[i] + 1);
                classes.Add(-1);
            }
        }

        return DfaBuilder.Trim([.. starts], [.. classes], letters.Length, rows, accepts);
    }
}
