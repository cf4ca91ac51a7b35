namespace KvChat.StructuredOutput.Automata;

/// <summary>Turns expressions into automata: states are derivatives (Brzozowski 1964), characters are classes that no set tells apart.</summary>
internal sealed class DfaBuilder
{
    private readonly LanguageFactory factory;
    private readonly int stateLimit;
    private readonly int[] rangeStarts;
    private readonly int[] rangeClasses;
    private readonly int[] representatives;

    private DfaBuilder(LanguageFactory factory, Language language, int stateLimit)
    {
        this.factory = factory;
        this.stateLimit = stateLimit;
        List<CharSet> sets = CollectSets(language);
        rangeStarts = [.. sets.SelectMany(s => s.Bounds.ToArray()).Append(0).Where(b => b < CharSet.Limit).Distinct().Order()];
        (rangeClasses, representatives) = Classify(sets, rangeStarts);
    }

    /// <summary>The automaton of a language.</summary>
    /// <exception cref="AutomatonTooLargeException">It would have more than <paramref name="stateLimit"/> states.</exception>
    public static CharDfa Build(LanguageFactory factory, Language language, int stateLimit = 20_000)
    {
        var builder = new DfaBuilder(factory, language, stateLimit);
        (List<int[]> rows, List<bool> accepts, List<Language> visited) = builder.Explore(language);
        foreach (Language state in visited)
            state.Derivatives = null;
        return Trim(builder.rangeStarts, builder.rangeClasses, builder.representatives.Length, rows, accepts);
    }

    /// <summary>Keeps the states from which a text can be finished.</summary>
    public static CharDfa Trim(int[] rangeStarts, int[] rangeClasses, int classes, List<int[]> rows, List<bool> accepts)
    {
        bool[] live = FindLive(rows, accepts);
        if (!live[0])
            return new CharDfa(rangeStarts, rangeClasses, classes, [], []);
        var number = new int[rows.Count];
        int count = 0;
        for (int s = 0; s < rows.Count; s++)
            number[s] = live[s] ? count++ : -1;
        var next = new int[count * classes];
        var accept = new bool[count];
        for (int s = 0; s < rows.Count; s++)
        {
            if (!live[s])
                continue;
            accept[number[s]] = accepts[s];
            ReadOnlySpan<int> row = rows[s].AsSpan(0, classes);
            Span<int> to = next.AsSpan(number[s] * classes, classes);
            for (int c = 0; c < row.Length; c++)
                to[c] = row[c] < 0 ? -1 : number[row[c]];
        }

        return new CharDfa(rangeStarts, rangeClasses, classes, next, accept);
    }

    private static bool[] FindLive(List<int[]> rows, List<bool> accepts)
    {
        // Transitions backwards, those into one state side by side: begins[t] is where the ones into t start.
        var begins = new int[rows.Count + 1];
        foreach (int[] row in rows)
        {
            int last = -1;
            foreach (int t in row)
            {
                if (t >= 0 && t != last)
                    begins[t + 1]++;
                last = t;
            }
        }

        for (int t = 0; t < rows.Count; t++)
            begins[t + 1] += begins[t];
        var sources = new int[begins[^1]];
        int[] filled = begins[..^1];
        for (int s = 0; s < rows.Count; s++)
        {
            int last = -1;
            foreach (int t in rows[s])
            {
                if (t >= 0 && t != last)
                    sources[filled[t]++] = s;
                last = t;
            }
        }

        return LiveFrom(accepts, begins, sources);
    }

    private static bool[] LiveFrom(List<bool> accepts, int[] begins, int[] sources)
    {
        var live = new bool[accepts.Count];
        var open = new Stack<int>();
        for (int s = 0; s < live.Length; s++)
        {
            if (live[s] = accepts[s])
                open.Push(s);
        }

        while (open.TryPop(out int t))
        {
            for (int i = begins[t]; i < begins[t + 1]; i++)
            {
                if (live[sources[i]])
                    continue;
                live[sources[i]] = true;
                open.Push(sources[i]);
            }
        }

        return live;
    }

    private (List<int[]> Rows, List<bool> Accepts, List<Language> States) Explore(Language start)
    {
        var number = new Dictionary<Language, int> { [start] = 0 };
        List<Language> states = [start];
        List<int[]> rows = [];
        List<bool> accepts = [];
        for (int s = 0; s < states.Count; s++)
        {
            var row = new int[representatives.Length];
            accepts.Add(states[s].Nullable);
            for (int c = 0; c < row.Length; c++)
            {
                Language d = Derive(states[s], c);
                if (d == factory.Nothing)
                {
                    row[c] = -1;
                    continue;
                }

                if (!number.TryGetValue(d, out row[c]))
                {
                    row[c] = number[d] = states.Count;
                    states.Add(d);
                    if (states.Count > stateLimit)
                        throw new AutomatonTooLargeException($"the automaton has more than {stateLimit} states");
                }
            }

            rows.Add(row);
        }

        return (rows, accepts, states);
    }

    private Language Derive(Language l, int c)
    {
        LanguageFactory.CheckStack();
        Language?[] row = l.Derivatives is { } r && r.Length == representatives.Length ? r : l.Derivatives = new Language?[representatives.Length];
        return row[c] ??= l.Kind switch
        {
            LanguageKind.Nothing or LanguageKind.Empty => factory.Nothing,
            LanguageKind.Set => l.Set.Contains(representatives[c]) ? factory.Empty : factory.Nothing,
            LanguageKind.Concat => DeriveConcat(l, c),
            LanguageKind.Repeat => factory.Concat(Derive(l.Parts[0], c), factory.Repeat(l.Parts[0], Math.Max(0, l.Min - 1), l.Max == LanguageFactory.Unbounded ? l.Max : l.Max - 1)),
            LanguageKind.Or => factory.Or(DeriveAll(l.Parts, c)),
            LanguageKind.And => factory.And(DeriveAll(l.Parts, c)),
            _ => factory.Not(Derive(l.Parts[0], c)),
        };
    }

    private Language[] DeriveAll(Language[] parts, int c) => Array.ConvertAll(parts, p => Derive(p, c));

    private Language DeriveConcat(Language l, int c)
    {
        Language first = factory.Concat(Derive(l.Parts[0], c), l.Parts[1]);
        return l.Parts[0].Nullable ? factory.Or(first, Derive(l.Parts[1], c)) : first;
    }

    private static List<CharSet> CollectSets(Language language)
    {
        var seen = new HashSet<Language>();
        var open = new Stack<Language>([language]);
        var sets = new List<CharSet> { CharSet.All };
        while (open.TryPop(out Language? l))
        {
            if (!seen.Add(l))
                continue;
            l.Derivatives = null; // from an automaton with other classes
            if (l.Kind == LanguageKind.Set)
                sets.Add(l.Set);
            foreach (Language part in l.Parts)
                open.Push(part);
        }

        return sets;
    }

    private static (int[] RangeClasses, int[] Representatives) Classify(List<CharSet> sets, int[] starts)
    {
        // The signature of a range is which sets hold it; ranges with one signature are one class.
        var signatures = new ulong[starts.Length][];
        int words = (sets.Count + 63) / 64;
        for (int r = 0; r < starts.Length; r++)
            signatures[r] = new ulong[words];
        for (int s = 0; s < sets.Count; s++)
        {
            ReadOnlySpan<int> bounds = sets[s].Bounds;
            for (int b = 0; b < bounds.Length; b += 2)
            {
                for (int r = Array.BinarySearch(starts, bounds[b]); r < starts.Length && starts[r] < bounds[b + 1]; r++)
                    signatures[r][s >> 6] |= 1UL << (s & 63);
            }
        }

        var classOf = new Dictionary<ulong[], int>(SignatureComparer.Instance);
        var classes = new int[starts.Length];
        var representatives = new List<int>();
        for (int r = 0; r < starts.Length; r++)
        {
            if ((signatures[r][0] & 1) == 0)
            {
                classes[r] = -1; // surrogates
                continue;
            }

            if (!classOf.TryGetValue(signatures[r], out classes[r]))
            {
                classes[r] = classOf[signatures[r]] = representatives.Count;
                representatives.Add(starts[r]);
            }
        }

        return (classes, [.. representatives]);
    }

    private sealed class SignatureComparer : IEqualityComparer<ulong[]>
    {
        public static readonly SignatureComparer Instance = new();

        public bool Equals(ulong[]? x, ulong[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(ulong[] obj)
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(obj.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
