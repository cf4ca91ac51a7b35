using System.Numerics;

namespace KvChat.StructuredOutput.Json;

/// <summary>Which of the named properties of an object have been written. Immutable.</summary>
internal readonly struct NameSet : IEquatable<NameSet>
{
    private readonly ulong first;
    private readonly ulong[]? more;

    private NameSet(ulong first, ulong[]? more)
    {
        this.first = first;
        this.more = more;
    }

    /// <summary>None of <paramref name="count"/> names.</summary>
    public static NameSet Empty(int count) => new(0, count <= 64 ? null : new ulong[(count - 1) / 64]);

    public bool Contains(int name) => ((name < 64 ? first : more![(name >> 6) - 1]) >> (name & 63) & 1) == 1;

    /// <summary>This set with one name more.</summary>
    public NameSet With(int name)
    {
        if (name < 64)
            return new NameSet(first | (1UL << name), more);
        var copy = (ulong[])more!.Clone();
        copy[(name >> 6) - 1] |= 1UL << (name & 63);
        return new NameSet(first, copy);
    }

    /// <summary>This set with all names before one, and that one too.</summary>
    public NameSet WithUpTo(int name)
    {
        if (name < 64)
            return new NameSet(first | (ulong.MaxValue >> (63 - name)), more);
        var copy = (ulong[])more!.Clone();
        Array.Fill(copy, ulong.MaxValue, 0, (name >> 6) - 1);
        copy[(name >> 6) - 1] |= ulong.MaxValue >> (63 - (name & 63));
        return new NameSet(ulong.MaxValue, copy);
    }

    /// <summary>How many names are in it.</summary>
    public int Count => BitOperations.PopCount(first) + (more?.Sum(w => BitOperations.PopCount(w)) ?? 0);

    public bool Equals(NameSet other) => first == other.first && more.AsSpan().SequenceEqual(other.more);

    public override bool Equals(object? obj) => obj is NameSet other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(first);
        foreach (ulong word in more ?? [])
            hash.Add(word);
        return hash.ToHashCode();
    }
}
