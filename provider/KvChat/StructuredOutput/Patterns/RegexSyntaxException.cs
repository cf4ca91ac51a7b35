namespace KvChat.StructuredOutput.Patterns;

/// <summary>A pattern cannot be read; callers add which keyword or argument it came from.</summary>
internal sealed class RegexSyntaxException(int position, string message, bool isUnsupported) : Exception(message)
{
    /// <summary>Index of the character at fault.</summary>
    public int Position => position;

    /// <summary>Whether the pattern may be right in ECMAScript, but means what no automaton can do.</summary>
    public bool IsUnsupported => isUnsupported;
}
