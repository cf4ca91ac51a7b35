namespace KvChat.StructuredOutput.Automata;

/// <summary>
/// A deterministic automaton over Unicode scalar values. Characters that no transition tells apart share a class. Only states from which
/// a text can be finished are kept, so a transition that exists never leads into a dead end. Immutable.
/// </summary>
internal sealed class CharDfa
{
    private readonly int[] rangeStarts;
    private readonly int[] rangeClasses;
    private readonly int[] asciiClasses = new int[128];
    private readonly int[] next;
    private readonly bool[] accepts;

    /// <param name="rangeStarts">Where ranges of characters start, ascending from 0.</param>
    /// <param name="rangeClasses">The class of each range; -1 for characters that never occur.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="next">Following state by <c>[state, class]</c>; -1 for none.</param>
    /// <param name="accepts">Whether a text may end in the state.</param>
    public CharDfa(int[] rangeStarts, int[] rangeClasses, int classes, int[] next, bool[] accepts)
    {
        this.rangeStarts = rangeStarts;
        this.rangeClasses = rangeClasses;
        this.next = next;
        this.accepts = accepts;
        ClassCount = classes;
        for (int c = 0; c < 128; c++)
            asciiClasses[c] = rangeClasses[RangeOf(c)];
    }

    public int StateCount => accepts.Length;

    public int ClassCount { get; }

    /// <summary>Whether no text is accepted; there are no states then. State 0 is the start otherwise.</summary>
    public bool IsEmpty => accepts.Length == 0;

    public ReadOnlySpan<int> RangeStarts => rangeStarts;

    public ReadOnlySpan<int> RangeClasses => rangeClasses;

    public bool Accepts(int state) => accepts[state];

    /// <summary>The state after a character, or -1.</summary>
    public int Next(int state, int character)
    {
        int c = character < 128 ? asciiClasses[character] : rangeClasses[RangeOf(character)];
        return c < 0 ? -1 : next[(state * ClassCount) + c];
    }

    /// <summary>The state after a character of a class, or -1.</summary>
    public int NextByClass(int state, int characterClass) => characterClass < 0 ? -1 : next[(state * ClassCount) + characterClass];

    /// <summary>Index of the range that holds the character.</summary>
    public int RangeOf(int character)
    {
        int at = Array.BinarySearch(rangeStarts, character);
        return at >= 0 ? at : ~at - 1;
    }

    /// <summary>Whether some character from <paramref name="low"/> to <paramref name="high"/> leads on.</summary>
    public bool LeadsOn(int state, int low, int high)
    {
        for (int r = RangeOf(low); low <= high && r < rangeStarts.Length && rangeStarts[r] <= high; r++)
        {
            if (NextByClass(state, rangeClasses[r]) >= 0)
                return true;
        }

        return false;
    }

    /// <summary>The one state to which all characters from <paramref name="low"/> to <paramref name="high"/> lead, or -1.</summary>
    public int CommonTarget(int state, int low, int high)
    {
        int target = -1;
        for (int r = RangeOf(low); r < rangeStarts.Length && rangeStarts[r] <= high; r++)
        {
            int t = NextByClass(state, rangeClasses[r]);
            if (t < 0 || (target >= 0 && t != target))
                return -1;
            target = t;
        }

        return target;
    }

    /// <summary>Whether the whole text is accepted. Lone surrogates never are.</summary>
    public bool Matches(string text)
    {
        int state = IsEmpty ? -1 : 0;
        for (int i = 0; i < text.Length && state >= 0; i++)
        {
            int c = text[i];
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                c = char.ConvertToUtf32(text[i], text[++i]);
            else if (char.IsSurrogate(text[i]))
                return false;
            state = Next(state, c);
        }

        return state >= 0 && accepts[state];
    }
}
