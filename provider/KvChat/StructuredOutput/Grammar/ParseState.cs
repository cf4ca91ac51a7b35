namespace KvChat.StructuredOutput.Grammar;

/// <summary>All ways to read the text so far. Immutable but for what is remembered of where bytes lead.</summary>
internal sealed class ParseState
{
    private readonly ParseState?[]?[] next = new ParseState?[]?[16];

    public ParseState(ParseThread[] threads, bool isComplete)
    {
        Threads = threads;
        IsComplete = isComplete;
        Shortest = isComplete ? 0 : threads.Min(t => t.Shortest);
    }

    public ParseThread[] Threads { get; }

    /// <summary>Whether the text may end here.</summary>
    public bool IsComplete { get; }

    /// <summary>Whether nothing can follow.</summary>
    public bool MustStop => Threads.Length == 0;

    /// <summary>Fewest bytes with which the text can be finished.</summary>
    public long Shortest { get; }

    /// <summary>Where a byte leads, if that was found before; <see cref="Parser.Dead"/> where it leads nowhere.</summary>
    public ParseState? Known(byte value) => next[value >> 4]?[value & 15];

    public void Remember(byte value, ParseState state) => (next[value >> 4] ??= new ParseState?[16])[value & 15] = state;
}
