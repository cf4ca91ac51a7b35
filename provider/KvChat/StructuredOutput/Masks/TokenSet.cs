namespace KvChat.StructuredOutput.Masks;

/// <summary>A set of tokens while it is gathered and when it is kept: few as a list, many as bits.</summary>
internal sealed class TokenSet
{
    private readonly int[]? few;
    private readonly ulong[]? bits;

    private TokenSet(int[]? few, ulong[]? bits)
    {
        this.few = few;
        this.bits = bits;
    }

    /// <summary>Bytes that it occupies.</summary>
    public int Size => 48 + ((few?.Length ?? 0) * 4) + ((bits?.Length ?? 0) * 8);

    /// <summary>The same tokens, in the smaller form.</summary>
    public static TokenSet From(List<int> ids, int words)
    {
        if (ids.Count <= words)
            return new TokenSet([.. ids], null);
        var bits = new ulong[words];
        foreach (int id in ids)
            bits[id >> 6] |= 1UL << (id & 63);
        return new TokenSet(null, bits);
    }

    public void AddTo(Span<ulong> target)
    {
        if (bits is not null)
        {
            for (int i = 0; i < bits.Length; i++)
                target[i] |= bits[i];
        }

        foreach (int id in few ?? [])
            target[id >> 6] |= 1UL << (id & 63);
    }
}
