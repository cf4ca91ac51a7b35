namespace KvChat.StructuredOutput;

/// <summary>A schema, grammar or regular expression is malformed: says where, what stands there and what would be right.</summary>
public sealed class ConstraintSyntaxException : FormatException
{
    /// <param name="source">What was read: <c>JSON schema</c>, <c>grammar</c> or <c>regular expression</c>.</param>
    /// <param name="position">Where: a JSON pointer, or a character's index.</param>
    /// <param name="message">What is wrong and what would be right.</param>
    public ConstraintSyntaxException(string source, string position, string message)
        : base($"{source}, at {position}: {message}") => Position = position;

    /// <summary>A JSON pointer into the schema, or the index of a character in the text.</summary>
    public string Position { get; }
}
