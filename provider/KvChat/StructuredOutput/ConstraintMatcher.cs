using KvChat.StructuredOutput.Grammar;

namespace KvChat.StructuredOutput;

/// <summary>Follows one document byte by byte. Not thread-safe; copies are cheap.</summary>
internal sealed class ConstraintMatcher
{
    internal ConstraintMatcher(Constraint constraint)
        : this(constraint, constraint.Parser.Start)
    {
    }

    private ConstraintMatcher(Constraint constraint, ParseState state)
    {
        Constraint = constraint;
        State = state;
    }

    public Constraint Constraint { get; }

    /// <summary>Whether the document may end here.</summary>
    public bool IsComplete => State.IsComplete;

    /// <summary>Whether nothing can follow.</summary>
    public bool MustStop => State.MustStop;

    /// <summary>Fewest bytes with which the document can be finished.</summary>
    public long ShortestCompletion => State.Shortest;

    internal ParseState State { get; private set; }

    /// <summary>Goes on by one byte, or stays where it is.</summary>
    /// <returns>Whether some document goes on so.</returns>
    public bool TryAdvance(byte value)
    {
        if (Constraint.Parser.Next(State, value) is not { } next)
            return false;
        State = next;
        return true;
    }

    /// <summary>Goes on by all of the bytes, or stays where it is.</summary>
    /// <returns>Whether some document goes on so.</returns>
    public bool TryAdvance(ReadOnlySpan<byte> bytes)
    {
        ParseState before = State;
        foreach (byte b in bytes)
        {
            if (!TryAdvance(b))
            {
                State = before;
                return false;
            }
        }

        return true;
    }

    /// <summary>Writes the bytes that must follow, as long as there is one alone and the document may not end.</summary>
    /// <returns>How many were written.</returns>
    public int Forced(Span<byte> destination)
    {
        ParseState state = State;
        int count = 0;
        while (count < destination.Length && !state.IsComplete && OnlyNext(state) is { } only)
        {
            destination[count++] = only.Value;
            state = only.State;
        }

        return count;
    }

    /// <summary>
    /// Fewest bytes behind a mark, where the document may go on with it and it is one of the form's own: it begins the document, or no other text may stand here, as within
    /// strings; -1 elsewhere.
    /// </summary>
    /// <param name="mark">The bytes of the mark, not empty.</param>
    public long ShortestBehind(ReadOnlySpan<byte> mark)
    {
        Parser parser = Constraint.Parser;
        if (parser.Next(State, mark[0]) is null)
            return -1;
        for (int b = 0; b < 256 && !ReferenceEquals(State, parser.Start); b++)
        {
            if (b != mark[0] && parser.Next(State, (byte)b) is not null)
                return -1;
        }

        ParseState? state = State;
        for (int i = 0; i < mark.Length && state is not null; i++)
            state = parser.Next(state, mark[i]);
        return state?.Shortest ?? -1;
    }

    /// <summary>Back to the beginning.</summary>
    public void Reset() => State = Constraint.Parser.Start;

    /// <summary>Another matcher at the same place.</summary>
    public ConstraintMatcher Clone() => new(Constraint, State);

    private (byte Value, ParseState State)? OnlyNext(ParseState state)
    {
        (byte Value, ParseState State)? only = null;
        for (int b = 0; b < 256; b++)
        {
            if (Constraint.Parser.Next(state, (byte)b) is not { } next)
                continue;
            if (only is not null)
                return null;
            only = ((byte)b, next);
        }

        return only;
    }
}
