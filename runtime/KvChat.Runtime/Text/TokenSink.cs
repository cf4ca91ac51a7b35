namespace KvChat.Runtime.Text;

/// <summary>Collects the tokens of a text while it is encoded, with the scratch space that this needs.</summary>
internal sealed class TokenSink
{
    private readonly List<int> ids = [];
    private readonly List<int> starts = [];

    public PairMerger Merger { get; } = new();

    public List<int> PieceEnds { get; } = [];

    /// <summary>Bytes for which there was no token.</summary>
    public int DroppedBytes { get; set; }

    public int Count => ids.Count;

    public void Add(int id, int start)
    {
        ids.Add(id);
        starts.Add(start);
    }

    public ReadOnlySpan<int> IdsFrom(int index) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids)[index..];

    public ReadOnlySpan<int> StartsFrom(int index) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(starts)[index..];

    /// <summary>Says of tokens whose starts are places in a text made of the run where in the run they are.</summary>
    /// <param name="index">The first of these tokens.</param>
    /// <param name="origins">Place in the run of each place of the text.</param>
    /// <param name="offset">Where the run starts in the whole text.</param>
    public void MoveStarts(int index, int[] origins, int offset)
    {
        for (int i = index; i < starts.Count; i++)
            starts[i] = offset + origins[starts[i]];
    }

    public EncodedText ToEncodedText() => new([.. ids], [.. starts], DroppedBytes);
}
