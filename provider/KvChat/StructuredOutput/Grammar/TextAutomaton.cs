using KvChat.StructuredOutput.Automata;

namespace KvChat.StructuredOutput.Grammar;

/// <summary>
/// The bytes in which a text over characters may be written: plain UTF-8, or a JSON string with quotes and escapes. Nodes are made as
/// they are met, since the ways to write all Unicode characters are many and few of them occur. Thread-safe.
/// </summary>
/// <remarks>
/// Letters, digits and other ASCII characters that no usual JSON writer escapes are written plainly only, so that a name in a schema has
/// one continuation; all others may also come as <c>\uXXXX</c>. Lone surrogates are never written.
/// </remarks>
internal sealed class TextAutomaton
{
    /// <summary>The two-character escapes of JSON.</summary>
    public static readonly (byte Letter, int Character)[] ShortEscapes =
        [((byte)'"', '"'), ((byte)'\\', '\\'), ((byte)'/', '/'), ((byte)'b', '\b'), ((byte)'f', '\f'), ((byte)'n', '\n'), ((byte)'r', '\r'), ((byte)'t', '\t')];

    /// <summary>Characters of the basic plane that may be written as <c>\uXXXX</c>.</summary>
    public static readonly (int First, int Last)[] HexRanges =
        [(0, 0x1F), ('"', '"'), ('&', '\''), ('+', '+'), ('/', '/'), ('<', '<'), ('>', '>'), ('\\', '\\'), ('`', '`'), (0x7F, 0xD7FF), (0xE000, 0xFFFF)];

    private readonly Dictionary<(TextNodeKind, int, int, int, int), TextNode> nodes = [];
    private readonly int[] classBytes;
    private readonly int[] shortest;
    private readonly TextNode?[] betweens;
    private readonly ByteSet[] loops;
    private readonly bool[] loopsKnown;

    /// <param name="dfa">The texts.</param>
    /// <param name="isQuoted">Whether they are written as JSON strings.</param>
    public TextAutomaton(CharDfa dfa, bool isQuoted)
    {
        Dfa = dfa;
        IsQuoted = isQuoted;
        classBytes = MeasureClasses(dfa, isQuoted);
        shortest = MeasureStates(dfa, classBytes);
        betweens = new TextNode?[dfa.StateCount];
        loops = new ByteSet[dfa.StateCount];
        loopsKnown = new bool[dfa.StateCount];
        AcceptsEverything = dfa.StateCount == 1 && dfa.Accepts(0) && dfa.ClassCount == 1 && dfa.NextByClass(0, 0) == 0 && dfa.CommonTarget(0, 0xE000, CharSet.Limit - 1) == 0;
        Start = dfa.IsEmpty || isQuoted ? Node(TextNodeKind.Open, 0, 0, 0) : Node(TextNodeKind.Between, 0, 0, 0);
    }

    public CharDfa Dfa { get; }

    public bool IsQuoted { get; }

    /// <summary>Whether every text of scalar values is accepted.</summary>
    public bool AcceptsEverything { get; }

    public TextNode Start { get; }

    /// <summary>Fewest bytes of a character of the class.</summary>
    public int BytesOfClass(int characterClass) => classBytes[characterClass];

    /// <summary>Fewest bytes to an end, without a closing quote.</summary>
    public int ShortestFrom(int state) => shortest[state];

    /// <summary>Fewest bytes to an end, a closing quote included; <see cref="Piece.Never"/> where the window forbids all ends.</summary>
    public long ShortestFrom(int state, LengthWindow? window, int count)
    {
        int bytes = window is null ? shortest[state] : window.Bytes(state, count);
        return bytes == int.MaxValue ? Piece.Never : bytes + (IsQuoted ? 1 : 0);
    }

    /// <summary>The node between characters in a state.</summary>
    public TextNode Between(int state) => betweens[state] ??= Node(TextNodeKind.Between, state, 0, 0);

    /// <summary>Characters of ASCII, written as themselves, that lead from a state back to it. Found once; racing threads find the same.</summary>
    public ByteSet LoopsOf(int state)
    {
        if (!Volatile.Read(ref loopsKnown[state]))
        {
            var set = default(ByteSet);
            for (int c = IsQuoted ? 0x20 : 0; c < 0x80; c++)
            {
                if (Dfa.Next(state, c) == state && !(IsQuoted && c is '"' or '\\'))
                    set = set.With((byte)c);
            }

            loops[state] = set;
            Volatile.Write(ref loopsKnown[state], true);
        }

        return loops[state];
    }

    /// <summary>Whether some character leads on.</summary>
    public bool LeadsOn(int state) => Dfa.LeadsOn(state, 0, CharSet.Limit - 1);

    public TextNode? Compute(TextNode node, byte b) => node.Kind switch
    {
        TextNodeKind.Open => b == '"' && !Dfa.IsEmpty ? Node(TextNodeKind.Between, 0, 0, 0) : null,
        TextNodeKind.Between => FromBetween(node.State, b),
        TextNodeKind.Utf8 => FromUtf8(node, b),
        TextNodeKind.Continuation => b is < 0x80 or > 0xBF ? null : node.Left == 1 ? Node(TextNodeKind.Between, node.Value, 0, 0) : Node(TextNodeKind.Continuation, 0, node.Value, node.Left - 1),
        TextNodeKind.Escape => FromEscape(node.State, b),
        TextNodeKind.Hex => HexDigit(b) is int d ? FromHex(node.State, (node.Value << 4) | d, node.Left - 1) : null,
        TextNodeKind.Pair => FromPair(node, b),
        _ => null,
    };

    /// <summary>The characters that a begun surrogate pair can still become.</summary>
    public static (int First, int Last) PairRange(TextNode node)
    {
        int digits = Math.Min(node.Left, 4);
        int first = Math.Max(node.Low << (4 * digits), 0xDC00), last = Math.Min(((node.Low + 1) << (4 * digits)) - 1, 0xDFFF);
        int high = 0x10000 + ((node.Value - 0xD800) << 10);
        return (high + first - 0xDC00, high + last - 0xDC00);
    }

    private static int? HexDigit(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => null,
    };

    private TextNode? FromBetween(int state, byte b)
    {
        if (IsQuoted)
        {
            if (b == '"')
                return Dfa.Accepts(state) ? Node(TextNodeKind.Closed, 0, 0, 0) : null;
            if (b == '\\')
            {
                bool any = ShortEscapes.Any(e => Dfa.Next(state, e.Character) >= 0) || HexLeadsOn(state, 0, 0xFFFF);
                return any ? Node(TextNodeKind.Escape, state, 0, 0) : null;
            }

            if (b < 0x20)
                return null;
        }

        if (b < 0x80)
            return After(state, b);
        return b switch
        {
            >= 0xC2 and <= 0xDF => Utf8(state, b & 0x1F, 1, 0x80),
            >= 0xE0 and <= 0xEF => Utf8(state, b & 0xF, 2, 0x800),
            >= 0xF0 and <= 0xF4 => Utf8(state, b & 7, 3, 0x10000),
            _ => null,
        };
    }

    private TextNode? FromUtf8(TextNode node, byte b)
    {
        if (b is < 0x80 or > 0xBF)
            return null;
        int bits = (node.Value << 6) | (b & 0x3F);
        if (node.Left > 1)
            return Utf8(node.State, bits, node.Left - 1, node.Low);
        return bits < node.Low ? null : After(node.State, bits);
    }

    /// <summary>A begun sequence; <paramref name="least"/> is the first character that may be written in so many bytes.</summary>
    private TextNode? Utf8(int state, int bits, int left, int least)
    {
        int first = bits << (6 * left), last = Math.Min(first + (1 << (6 * left)) - 1, CharSet.Limit - 1);
        if (first >= least && last == first + (1 << (6 * left)) - 1 && Dfa.CommonTarget(state, first, last) is int t and >= 0)
            return Node(TextNodeKind.Continuation, 0, t, left);
        return last >= least && Dfa.LeadsOn(state, Math.Max(first, least), last) ? Node(TextNodeKind.Utf8, state, bits, left, least) : null;
    }

    private TextNode? FromEscape(int state, byte b)
    {
        if (b == 'u')
            return FromHex(state, 0, 4);
        foreach ((byte letter, int character) in ShortEscapes)
        {
            if (letter == b)
                return After(state, character);
        }

        return null;
    }

    private TextNode? FromHex(int state, int value, int left)
    {
        if (!HexLeadsOn(state, value << (4 * left), ((value + 1) << (4 * left)) - 1))
            return null;
        if (left > 0)
            return Node(TextNodeKind.Hex, state, value, left);
        return char.IsHighSurrogate((char)value) ? Node(TextNodeKind.Pair, state, value, 6) : After(state, value);
    }

    private TextNode? FromPair(TextNode node, byte b)
    {
        int left = node.Left - 1;
        if (left >= 4)
            return b == (left == 5 ? '\\' : 'u') ? Node(TextNodeKind.Pair, node.State, node.Value, left) : null;
        if (HexDigit(b) is not int digit)
            return null;
        var next = new TextNode(this, TextNodeKind.Pair, node.State, node.Value, left, (node.Low << 4) | digit);
        (int first, int last) = PairRange(next);
        if (first > last || !Dfa.LeadsOn(node.State, first, last))
            return null;
        return left == 0 ? After(node.State, first) : Node(TextNodeKind.Pair, node.State, node.Value, left, next.Low);
    }

    /// <summary>Whether a character whose first UTF-16 unit is in a range may come as <c>\u</c>.</summary>
    private bool HexLeadsOn(int state, int low, int high)
    {
        foreach ((int first, int last) in HexRanges)
        {
            if (first <= high && last >= low && Dfa.LeadsOn(state, Math.Max(first, low), Math.Min(last, high)))
                return true;
        }

        int from = Math.Max(low, 0xD800), to = Math.Min(high, 0xDBFF);
        return from <= to && Dfa.LeadsOn(state, 0x10000 + ((from - 0xD800) << 10), 0x10000 + ((to - 0xD800) << 10) + 0x3FF);
    }

    private TextNode? After(int state, int character)
    {
        int t = Dfa.Next(state, character);
        return t < 0 ? null : Node(TextNodeKind.Between, t, 0, 0);
    }

    private TextNode Node(TextNodeKind kind, int state, int value, int left, int low = 0)
    {
        lock (nodes)
        {
            if (!nodes.TryGetValue((kind, state, value, left, low), out TextNode? node))
                nodes[(kind, state, value, left, low)] = node = new TextNode(this, kind, state, value, left, low);
            return node;
        }
    }

    private static int[] MeasureClasses(CharDfa dfa, bool isQuoted)
    {
        var bytes = new int[dfa.ClassCount];
        Array.Fill(bytes, int.MaxValue);
        for (int r = 0; r < dfa.RangeStarts.Length; r++)
        {
            int c = dfa.RangeClasses[r];
            if (c < 0)
                continue;
            int first = dfa.RangeStarts[r];
            int last = (r + 1 < dfa.RangeStarts.Length ? dfa.RangeStarts[r + 1] : CharSet.Limit) - 1;
            // Lengths grow with the number, but for quoted ASCII, which is looked at one by one.
            for (int ch = first; isQuoted && ch <= Math.Min(last, 0x7F); ch++)
                bytes[c] = Math.Min(bytes[c], QuotedLength(ch));
            int plain = isQuoted ? Math.Max(first, 0x80) : first;
            if (plain <= last)
                bytes[c] = Math.Min(bytes[c], plain < 0x80 ? 1 : plain < 0x800 ? 2 : plain < 0x10000 ? 3 : 4);
        }

        return bytes;
    }

    /// <summary>Fewest bytes of a text as a JSON string, quotes included.</summary>
    public static long QuotedLength(string text)
    {
        long bytes = 2;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
            bytes += rune.IsAscii ? QuotedLength(rune.Value) : rune.Utf8SequenceLength;
        return bytes;
    }

    private static int QuotedLength(int ascii) => Array.Exists(ShortEscapes, e => e.Character == ascii && ascii != '/') ? 2 : ascii < 0x20 ? 6 : 1;

    private static int[] MeasureStates(CharDfa dfa, int[] classBytes)
    {
        // Lengths sink until none sinks further. States are numbered from the start, so going backwards most are right at once.
        var result = new int[dfa.StateCount];
        for (int s = 0; s < result.Length; s++)
            result[s] = dfa.Accepts(s) ? 0 : int.MaxValue;
        for (bool sank = true; sank;)
        {
            sank = false;
            for (int s = result.Length - 1; s >= 0; s--)
            {
                if (dfa.Accepts(s))
                    continue;
                int least = LeastBehind(dfa, classBytes, result, s);
                sank |= least < result[s];
                result[s] = least;
            }
        }

        return result;
    }

    private static int LeastBehind(CharDfa dfa, int[] classBytes, int[] lengths, int state)
    {
        int least = lengths[state];
        for (int c = 0; c < classBytes.Length; c++)
        {
            int t = dfa.NextByClass(state, c);
            if (t >= 0 && lengths[t] < int.MaxValue && classBytes[c] + lengths[t] < least)
                least = classBytes[c] + lengths[t];
        }

        return least;
    }
}
