namespace KvChat.StructuredOutput.Grammar;

/// <summary>
/// A part of a grammar. Pieces are made once by a compiler, then <see cref="PieceGraph.Settle"/> finds how long each must be at least;
/// pieces that cannot be written at all are never entered, so no text that a grammar begins leads into a dead end.
/// </summary>
internal abstract class Piece
{
    /// <summary>The length of what cannot be written in finitely many bytes.</summary>
    public const long Never = long.MaxValue / 4;

    /// <summary>Fewest bytes of a text of this piece.</summary>
    public long MinBytes { get; protected set; } = Never;

    public bool CanBeWritten => MinBytes < Never;

    /// <summary>The pieces that it is made of, for walks over a grammar.</summary>
    public virtual IEnumerable<Piece> Children => [];

    /// <summary>Whether it is a JSON array or object, whose nesting is bounded.</summary>
    public virtual bool IsContainer => false;

    /// <summary>Finds <see cref="MinBytes"/> from those of the children as they are known so far.</summary>
    public abstract void UpdateMinBytes();

    protected static long Sum(long a, long b) => a >= Never || b >= Never ? Never : Math.Min(a + b, Never);
}

/// <summary>A piece that stands for others: what it may be replaced by is asked when a text arrives at it.</summary>
internal abstract class Nonterminal : Piece
{
    /// <summary>The ways to go on, each a list of pieces in order; only ways that can be finished.</summary>
    public abstract IEnumerable<IReadOnlyList<Piece>> Expand();
}

/// <summary>One piece after another.</summary>
internal sealed class Sequence(params IReadOnlyList<Piece> parts) : Nonterminal
{
    public override IEnumerable<Piece> Children => parts;

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [parts] : [];

    public override void UpdateMinBytes() => MinBytes = parts.Aggregate(0L, (sum, p) => Sum(sum, p.MinBytes));
}

/// <summary>Any of several pieces.</summary>
internal sealed class Choice(params IReadOnlyList<Piece> parts) : Nonterminal
{
    public override IEnumerable<Piece> Children => parts;

    public override IEnumerable<IReadOnlyList<Piece>> Expand()
    {
        foreach (Piece part in parts)
        {
            if (part.CanBeWritten)
                yield return [part];
        }
    }

    public override void UpdateMinBytes() => MinBytes = parts.Aggregate(Never, (least, p) => Math.Min(least, p.MinBytes));
}

/// <summary>A piece between a least and a greatest number of times, which may be unbounded.</summary>
internal sealed class Repetition(Piece part, int min, int max) : Nonterminal
{
    private Repetition? rest;

    public override IEnumerable<Piece> Children => [part];

    public override IEnumerable<IReadOnlyList<Piece>> Expand()
    {
        if (min == 0)
            yield return [];
        if (max > 0 && part.CanBeWritten)
            yield return max == 1 ? [part] : [part, Rest()];
    }

    public override void UpdateMinBytes() => MinBytes = min == 0 ? 0 : part.CanBeWritten ? Math.Min(Never, part.MinBytes * min) : Never;

    private Repetition Rest()
    {
        if (min == 0 && max == int.MaxValue)
            return this;
        if (rest is null)
        {
            var made = new Repetition(part, Math.Max(0, min - 1), max == int.MaxValue ? max : max - 1);
            made.UpdateMinBytes();
            rest = made;
        }

        return rest;
    }
}

/// <summary>A named piece that may contain itself.</summary>
internal sealed class Rule(string name) : Nonterminal
{
    public string Name => name;

    public Piece? Body { get; set; }

    public override IEnumerable<Piece> Children => Body is null ? [] : [Body];

    public override IEnumerable<IReadOnlyList<Piece>> Expand() => CanBeWritten ? [[Body!]] : [];

    public override void UpdateMinBytes() => MinBytes = Body?.MinBytes ?? Never;
}
