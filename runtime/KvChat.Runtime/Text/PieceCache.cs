using System.Collections.Concurrent;

namespace KvChat.Runtime.Text;

/// <summary>Tokens of short pieces that were encoded before; words repeat. Bounded, and safe for many threads.</summary>
internal sealed class PieceCache
{
    /// <summary>Longest piece kept, in UTF-16 code units.</summary>
    public const int LongestPiece = 32;

    private const int MostPieces = 16384;

    private readonly ConcurrentDictionary<string, Entry> pieces = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private int count;

    public PieceCache() => lookup = pieces.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Appends the tokens of a piece that is known.</summary>
    public bool TryAdd(ReadOnlySpan<char> piece, int offset, TokenSink sink)
    {
        if (piece.Length > LongestPiece || !lookup.TryGetValue(piece, out Entry? entry))
            return false;
        for (int i = 0; i < entry.Ids.Length; i++)
            sink.Add(entry.Ids[i], offset + entry.Starts[i]);
        return true;
    }

    /// <summary>Keeps the tokens that were appended for a piece from <paramref name="index"/> on.</summary>
    public void Keep(ReadOnlySpan<char> piece, int offset, TokenSink sink, int index)
    {
        if (piece.Length > LongestPiece)
            return;
        int[] starts = sink.StartsFrom(index).ToArray();
        for (int i = 0; i < starts.Length; i++)
            starts[i] -= offset;
        // Starting anew when full costs one slow text now and then, and needs no bookkeeping on the fast path.
        if (Interlocked.Increment(ref count) > MostPieces)
        {
            Interlocked.Exchange(ref count, 0);
            pieces.Clear();
        }

        pieces.TryAdd(piece.ToString(), new(sink.IdsFrom(index).ToArray(), starts));
    }

    private sealed record Entry(int[] Ids, int[] Starts);
}
