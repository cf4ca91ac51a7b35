namespace KvChat.StructuredOutput.Grammar;

/// <summary>What is still to be written after the lexeme at hand: a piece, then the rest. Equal stacks of one <see cref="Parser"/> are one object.</summary>
internal sealed class ParseStack(Piece top, ParseStack? rest)
{
    private Expansion? expansion;

    public Piece Top => top;

    public ParseStack? Rest => rest;

    /// <summary>Fewest bytes of all that is to come.</summary>
    public long MinBytes { get; } = Math.Min(Piece.Never, top.MinBytes + (rest?.MinBytes ?? 0));

    /// <summary>How many JSON arrays and objects are open.</summary>
    public int Depth { get; } = (rest?.Depth ?? 0) + (top.IsContainer ? 1 : 0);

    /// <summary>Where a text can stand before the first byte of this stack; found once.</summary>
    public Expansion? Expansion
    {
        get => Volatile.Read(ref expansion);
        set => Volatile.Write(ref expansion, value);
    }
}

/// <summary>The lexemes with which a stack can begin.</summary>
/// <param name="Threads">One for each.</param>
/// <param name="MayEnd">Whether the whole text may end instead.</param>
internal sealed record Expansion(ParseThread[] Threads, bool MayEnd);

/// <summary>One way to read the text so far: a node in a lexeme and what follows it. Equal threads of one <see cref="Parser"/> are mostly one object.</summary>
internal sealed class ParseThread(int id, Lexeme lexeme, ByteNode node, int count, ParseStack? rest)
{
    public int Id => id;

    public Lexeme Lexeme => lexeme;

    public ByteNode Node => node;

    /// <summary>Characters read, where the lexeme counts them.</summary>
    public int Count => count;

    public ParseStack? Rest => rest;

    /// <summary>Fewest bytes to the end of the text.</summary>
    public long Shortest { get; } = Math.Min(Piece.Never, node.Shortest(lexeme.Window, count) + (rest?.MinBytes ?? 0));
}
