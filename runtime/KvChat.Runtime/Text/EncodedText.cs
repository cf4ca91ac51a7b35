namespace KvChat.Runtime.Text;

/// <summary>Tokens of a text, with the place in the text where each starts.</summary>
public sealed class EncodedText
{
    /// <summary>Makes an encoded text.</summary>
    /// <exception cref="ArgumentException">The two arrays differ in length.</exception>
    public EncodedText(int[] ids, int[] starts, int droppedBytes = 0)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(starts);
        if (ids.Length != starts.Length)
            throw new ArgumentException($"There are {starts.Length} starts for {ids.Length} tokens.", nameof(starts));
        Ids = ids;
        Starts = starts;
        DroppedBytes = droppedBytes;
    }

#pragma warning disable CA1819 // plain arrays: they go into spans of the engine, and the object is made once per prompt
    /// <summary>Token ids, [tokens].</summary>
    public int[] Ids { get; }

    /// <summary>
    /// UTF-16 offset in the text at which each token starts, [tokens], never falling. Tokens that begin inside one character share its offset.
    /// </summary>
    public int[] Starts { get; }
#pragma warning restore CA1819

    /// <summary>UTF-8 bytes of the text for which the vocabulary has no token at all; 0 for any complete vocabulary.</summary>
    public int DroppedBytes { get; }
}
