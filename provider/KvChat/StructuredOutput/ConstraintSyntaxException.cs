namespace KvChat.StructuredOutput;

/// <summary>A schema, grammar or regular expression is malformed: says where, what stands there and what would be right.</summary>
public sealed class ConstraintSyntaxException : FormatException
{
    /// <param name="source">What was read: <c>JSON schema</c>, <c>grammar</c> or <c>regular expression</c>.</param>
    /// <param name="position">Where: a JSON pointer, a line and column of a grammar, or the index of a character.</param>
    /// <param name="message">What is wrong and what would be right.</param>
    public ConstraintSyntaxException(string source, string position, string message)
        : base($"{source}, at {SchemaNotSupportedException.Shorten(position)}: {message}") => Position = position;

    /// <summary>A JSON pointer into the schema, a line and column of the grammar (from 1), or the index of a character in the text (from 0).</summary>
    public string Position { get; }
}
