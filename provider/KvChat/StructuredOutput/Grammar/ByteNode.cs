namespace KvChat.StructuredOutput.Grammar;

/// <summary>
/// A state inside one lexeme, over bytes. Whoever moves along nodes counts characters where <see cref="IsCharacter"/> holds, and asks the
/// <see cref="Lexeme"/> whether the count allows the move.
/// </summary>
internal abstract class ByteNode
{
    private static readonly ByteNode Dead = new DeadNode();

    private ByteNode?[]? row;

    /// <summary>Whether a whole character has just been read (so a length grows by one on arrival).</summary>
    public virtual bool IsCharacter => false;

    /// <summary>Whether the lexeme may end here.</summary>
    public abstract bool Accepts { get; }

    /// <summary>Whether some byte leads on from here.</summary>
    public abstract bool HasMoves { get; }

    /// <summary>The node after a byte, or null. Rows are filled as they are asked for; racing threads write equal nodes.</summary>
    public ByteNode? Next(byte value)
    {
        ByteNode?[] nodes = row ??= new ByteNode?[256];
        ByteNode? node = nodes[value];
        if (node is null)
            nodes[value] = node = Compute(value) ?? Dead;
        return ReferenceEquals(node, Dead) ? null : node;
    }

    /// <summary>Fewest further bytes that end the lexeme after <paramref name="count"/> characters; <see cref="Piece.Never"/> where its length bounds forbid all ends.</summary>
    public abstract long Shortest(LengthWindow? window, int count);

    protected abstract ByteNode? Compute(byte value);

    private sealed class DeadNode : ByteNode
    {
        public override bool Accepts => false;

        public override bool HasMoves => false;

        public override long Shortest(LengthWindow? window, int count) => Piece.Never;

        protected override ByteNode? Compute(byte value) => null;
    }
}
