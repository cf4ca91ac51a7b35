namespace KvChat.StructuredOutput.Grammar;

/// <summary>Finds the shortest text of every piece of a grammar.</summary>
internal static class PieceGraph
{
    /// <summary>
    /// Lets lengths sink from "never" to their least value. A piece is looked at again when a child got shorter (Knuth 1977, as a work list).
    /// </summary>
    /// <returns>All pieces.</returns>
    public static IReadOnlyCollection<Piece> Settle(Piece root)
    {
        var parents = new Dictionary<Piece, List<Piece>> { [root] = [] };
        List<Piece> all = [root];
        for (int i = 0; i < all.Count; i++)
        {
            foreach (Piece child in all[i].Children)
            {
                if (!parents.TryGetValue(child, out List<Piece>? list))
                {
                    parents[child] = list = [];
                    all.Add(child);
                }

                list.Add(all[i]);
            }
        }

        var open = new Queue<Piece>(Enumerable.Reverse(all));
        var waiting = new HashSet<Piece>(all);
        while (open.TryDequeue(out Piece? piece))
        {
            waiting.Remove(piece);
            long before = piece.MinBytes;
            piece.UpdateMinBytes();
            if (piece.MinBytes == before)
                continue;
            foreach (Piece parent in parents[piece])
            {
                if (waiting.Add(parent))
                    open.Enqueue(parent);
            }
        }

        return all;
    }
}
