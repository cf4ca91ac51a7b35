namespace KvChat.StructuredOutput.Grammar;

/// <summary>Finds pieces that begin with themselves: a parser that reads from the left would go round for ever.</summary>
internal static class LeftRecursion
{
    /// <param name="pieces">All pieces of a settled grammar.</param>
    /// <exception cref="SchemaNotSupportedException">A rule begins with itself.</exception>
    public static void Refuse(IReadOnlyCollection<Piece> pieces)
    {
        var done = new HashSet<Piece>();
        foreach (Piece start in pieces)
            Visit(start, done);
    }

    private static void Visit(Piece start, HashSet<Piece> done)
    {
        // Depth first with a path, without recursion.
        var path = new HashSet<Piece>();
        var open = new Stack<(Piece Piece, IEnumerator<Piece>? Next)>([(start, null)]);
        while (open.TryPop(out (Piece Piece, IEnumerator<Piece>? Next) top))
        {
            IEnumerator<Piece>? next = top.Next;
            if (next is null)
            {
                if (done.Contains(top.Piece))
                    continue;
                if (!path.Add(top.Piece))
                    throw new SchemaNotSupportedException((top.Piece as Rule ?? path.OfType<Rule>().LastOrDefault())?.Name ?? "grammar", "", "the rule begins with itself; write the repetition with * or at the end");
                next = Beginnings(top.Piece).GetEnumerator();
            }

            if (next.MoveNext())
            {
                open.Push((top.Piece, next));
                open.Push((next.Current, null));
            }
            else
            {
                path.Remove(top.Piece);
                done.Add(top.Piece);
            }
        }
    }

    /// <summary>The pieces with which the text of a piece can begin.</summary>
    private static IEnumerable<Piece> Beginnings(Piece piece)
    {
        if (piece is not Nonterminal nonterminal)
            yield break;
        if (nonterminal is Repetition repetition)
        {
            foreach (Piece child in repetition.Children)
                yield return child;
            yield break;
        }

        foreach (IReadOnlyList<Piece> way in nonterminal.Expand())
        {
            foreach (Piece part in way)
            {
                yield return part;
                if (part.MinBytes > 0)
                    break;
            }
        }
    }
}
