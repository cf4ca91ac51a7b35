using System.Numerics;
using System.Runtime.InteropServices;

namespace KvChat.StructuredOutput.Masks;

/// <summary>A set of tokens as it is kept: few as a list, many as bits.</summary>
internal sealed class TokenSet
{
    private readonly int[] few;
    private readonly ulong[]? bits;

    private TokenSet(int[] few, ulong[]? bits)
    {
        this.few = few;
        this.bits = bits;
    }

    /// <summary>No token.</summary>
    public static TokenSet None { get; } = new([], null);

    public bool IsEmpty => bits is null && few.Length == 0;

    /// <summary>Bytes that it occupies.</summary>
    public int Size => 48 + (few.Length * 4) + ((bits?.Length ?? 0) * 8);

    /// <summary>The tokens of a bit mask, in the smaller form.</summary>
    /// <param name="bits">Copied.</param>
    /// <param name="atMost">At least as many as there are bits.</param>
    public static TokenSet From(ReadOnlySpan<ulong> bits, int atMost)
    {
        if (atMost == 0)
            return None;
        // A list takes half as much as bits for as many tokens as there are words.
        int count = atMost <= bits.Length ? atMost : TokenGathering.CountOf(bits);
        if (count > bits.Length)
            return new TokenSet([], bits.ToArray());
        var ids = new List<int>(count);
        for (int w = 0; w < bits.Length; w++)
        {
            for (ulong rest = bits[w]; rest != 0; rest &= rest - 1)
                ids.Add((w << 6) + BitOperations.TrailingZeroCount(rest));
        }

        return new TokenSet([.. ids], null);
    }

    public void AddTo(Span<ulong> target)
    {
        if (bits is not null)
            Combine(bits, target);
        foreach (int id in few)
            target[id >> 6] |= 1UL << (id & 63);
    }

    private static void Combine(ulong[] from, Span<ulong> target)
    {
        Span<Vector<ulong>> wide = MemoryMarshal.Cast<ulong, Vector<ulong>>(target);
        ReadOnlySpan<Vector<ulong>> more = MemoryMarshal.Cast<ulong, Vector<ulong>>(from);
        for (int i = 0; i < more.Length; i++)
            wide[i] |= more[i];
        for (int i = more.Length * Vector<ulong>.Count; i < from.Length; i++)
            target[i] |= from[i];
    }
}
