using System.Numerics;

namespace KvChat.StructuredOutput.Masks;

/// <summary>Tokens that a walk has found: bits, and how many were added.</summary>
internal sealed class TokenGathering(int words)
{
    private readonly ulong[] bits = new ulong[words];

    /// <summary>How many were added, those that were there already included.</summary>
    public int Added { get; private set; }

    /// <summary>The longest of the shortest ends behind the tokens.</summary>
    public long Longest { get; private set; }

    public void Add(ReadOnlySpan<int> tokens, long completion)
    {
        if (tokens.IsEmpty)
            return;
        foreach (int id in tokens)
            bits[id >> 6] |= 1UL << (id & 63);
        Added += tokens.Length;
        Longest = Math.Max(Longest, completion);
    }

    /// <summary>What was found; afterwards this is empty again.</summary>
    public TokenSet Take()
    {
        TokenSet set = TokenSet.From(bits, Added);
        if (Added > 0)
            Array.Clear(bits);
        (Added, Longest) = (0, 0);
        return set;
    }

    public static int CountOf(ReadOnlySpan<ulong> bits)
    {
        int count = 0;
        foreach (ulong word in bits)
            count += BitOperations.PopCount(word);
        return count;
    }
}
