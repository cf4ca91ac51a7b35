namespace KvChat.StructuredOutput.Grammar;

/// <summary>A regular stretch of the output: an automaton over bytes, with or without bounds on its length in characters.</summary>
internal sealed class Lexeme : Piece
{
    private readonly Lazy<ByteNode> start;

    public Lexeme(ByteNode start, LengthWindow? window = null)
    {
        this.start = new Lazy<ByteNode>(start);
        Window = window;
        MinBytes = start.Shortest(window, 0);
    }

    /// <param name="minBytes">Fewest bytes of a text; some text there is.</param>
    /// <param name="start">Makes the automaton when a text first arrives: most of a large schema is never written.</param>
    public Lexeme(long minBytes, Func<ByteNode> start)
    {
        this.start = new Lazy<ByteNode>(start);
        MinBytes = minBytes;
    }

    public ByteNode Start => start.Value;

    public LengthWindow? Window { get; }

    /// <summary>Whether nothing at all is a way to write it.</summary>
    public bool IsNullable => MinBytes == 0;

    /// <summary>Moves on by one byte.</summary>
    /// <param name="node">Where the text stands.</param>
    /// <param name="count">Characters read; grows with a whole character.</param>
    /// <param name="value">The byte.</param>
    /// <returns>The node after it, or null where no text of the lexeme goes on so.</returns>
    public ByteNode? Step(ByteNode node, ref int count, byte value)
    {
        ByteNode? next = node.Next(value);
        if (Window is null || next is null)
            return next;
        if (node is TextNode { Kind: TextNodeKind.Open })
            return Window.CanFinish(next, 0) ? next : null;
        if (next.IsCharacter)
            return Window.CanFinish(next, count + 1) ? Counted(next, ref count) : null;
        if (next.Accepts)
            return Window.MayEnd(count) ? next : null;
        return Window.CanStartCharacter(next, count) ? next : null;
    }

    /// <summary>The same without bounds on its length.</summary>
    public Lexeme WithoutWindow() => Window is null ? this : new Lexeme(Start);

    public override void UpdateMinBytes()
    {
    }

    private static ByteNode Counted(ByteNode next, ref int count)
    {
        count++;
        return next;
    }
}
