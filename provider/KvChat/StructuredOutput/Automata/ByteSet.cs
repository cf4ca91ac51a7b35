namespace KvChat.StructuredOutput.Automata;

/// <summary>A set of bytes of ASCII; whether there are others is said, but not which.</summary>
internal readonly record struct ByteSet(ulong Low, ulong High, bool HasOthers)
{
    /// <summary>Whether all are ASCII and in the other set.</summary>
    public bool IsWithin(ByteSet other) => !HasOthers && (Low & ~other.Low) == 0 && (High & ~other.High) == 0;

    public ByteSet Union(ByteSet other) => new(Low | other.Low, High | other.High, HasOthers || other.HasOthers);

    public ByteSet With(byte value) => value switch
    {
        < 64 => this with { Low = Low | (1UL << value) },
        < 128 => this with { High = High | (1UL << (value - 64)) },
        _ => this with { HasOthers = true },
    };
}
