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

    public EncodedText ToEncodedText() => new([.. ids], [.. starts], DroppedBytes);
}
