using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Grammar;

/// <summary>What has been read of the character at hand.</summary>
internal enum TextNodeKind
{
    /// <summary>Before the opening quote.</summary>
    Open,

    /// <summary>Between characters.</summary>
    Between,

    /// <summary>The beginning of a UTF-8 sequence: Value holds its bits, Left the bytes to come.</summary>
    Utf8,

    /// <summary>As before, and every continuation is a character that leads to the state Value.</summary>
    Continuation,

    /// <summary>A backslash.</summary>
    Escape,

    /// <summary><c>\u</c> and 4 - Left hexadecimal digits.</summary>
    Hex,

    /// <summary>A high surrogate (Value), of whose partner Left of the six characters <c>\uXXXX</c> are to come; Low holds its digits.</summary>
    Pair,

    /// <summary>After the closing quote.</summary>
    Closed,
}

/// <summary>A state of a <see cref="TextAutomaton"/>.</summary>
internal sealed class TextNode(TextAutomaton automaton, TextNodeKind kind, int state, int value, int left, int low) : ByteNode
{
    public TextAutomaton Automaton => automaton;

    public TextNodeKind Kind => kind;

    /// <summary>State of the automaton over characters before the character at hand.</summary>
    public int State => state;

    public int Value => value;

    public int Left => left;

    public int Low => low;

    public override bool IsCharacter => kind == TextNodeKind.Between;

    public override bool Accepts => kind == TextNodeKind.Closed || (kind == TextNodeKind.Between && !automaton.IsQuoted && automaton.Dfa.Accepts(state));

    public override bool HasMoves => kind != TextNodeKind.Closed && (kind != TextNodeKind.Between || automaton.IsQuoted || automaton.LeadsOn(state));

    public override long Shortest(LengthWindow? window, int count) => kind switch
    {
        TextNodeKind.Closed => 0,
        TextNodeKind.Open => automaton.Dfa.IsEmpty ? Piece.Never : Add(1, AfterState(0, window, count)),
        TextNodeKind.Between => AfterState(state, window, count),
        TextNodeKind.Continuation => Add(left, AfterState(value, window, count + 1)),
        TextNodeKind.Utf8 => Add(left, ThroughRange(value << (6 * left), ((value + 1) << (6 * left)) - 1, window, count)),
        TextNodeKind.Escape => ThroughEscape(window, count),
        TextNodeKind.Hex => ThroughHex(window, count),
        _ => Add(left, ThroughPair(window, count)),
    };

    protected override ByteNode? Compute(byte value1) => automaton.Compute(this, value1);

    private long ThroughEscape(LengthWindow? window, int count)
    {
        long least = Piece.Never;
        foreach ((byte _, int character) in TextAutomaton.ShortEscapes)
            least = Math.Min(least, Add(1, ThroughRange(character, character, window, count)));
        long hex = Add(1, ((TextNode?)Next((byte)'u'))?.ThroughHex(window, count) ?? Piece.Never);
        return Math.Min(least, hex);
    }

    private long ThroughHex(LengthWindow? window, int count)
    {
        int low1 = value << (4 * left), high = ((value + 1) << (4 * left)) - 1;
        long least = Piece.Never;
        foreach ((int first, int last) in TextAutomaton.HexRanges)
            least = Math.Min(least, Add(left, ThroughRange(Math.Max(first, low1), Math.Min(last, high), window, count)));
        if (low1 <= 0xDBFF && high >= 0xD800)
        {
            int first = Math.Max(low1, 0xD800), last = Math.Min(high, 0xDBFF);
            least = Math.Min(least, Add(left + 6, ThroughRange(0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 0x3FF, window, count)));
        }

        return least;
    }

    private long ThroughPair(LengthWindow? window, int count)
    {
        (int first, int last) = TextAutomaton.PairRange(this);
        return ThroughRange(first, last, window, count);
    }

    /// <summary>Fewest bytes after one of the characters of a range.</summary>
    private long ThroughRange(int first, int last, LengthWindow? window, int count)
    {
        if (kind == TextNodeKind.Utf8)
            first = Math.Max(first, low);
        if (first > last)
            return Piece.Never;
        CharDfa dfa = automaton.Dfa;
        long least = Piece.Never;
        int previous = -1;
        for (int r = dfa.RangeOf(first); r < dfa.RangeStarts.Length && dfa.RangeStarts[r] <= last; r++)
        {
            int t = dfa.NextByClass(state, dfa.RangeClasses[r]);
            if (t >= 0 && t != previous)
                least = Math.Min(least, AfterState(t, window, count + 1));
            previous = t;
        }

        return least;
    }

    private long AfterState(int s, LengthWindow? window, int count) => automaton.ShortestFrom(s, window, count);

    private static long Add(long a, long b) => b >= Piece.Never ? Piece.Never : a + b;
}
