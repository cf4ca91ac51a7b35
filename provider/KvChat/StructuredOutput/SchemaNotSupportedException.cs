namespace KvChat.StructuredOutput;

/// <summary>
/// A constraint is well formed, but cannot be enforced exactly, or nothing satisfies it. Nothing weaker is put in its place.
/// </summary>
public sealed class SchemaNotSupportedException : NotSupportedException
{
    /// <param name="keyword">The JSON schema keyword, or the construct of a regular expression or grammar.</param>
    /// <param name="pointer">JSON pointer of the schema that holds the keyword; empty for the root.</param>
    /// <param name="reason">Why it cannot be enforced and what could.</param>
    public SchemaNotSupportedException(string keyword, string pointer, string reason)
        : base($"'{keyword}' at '#{Shorten(pointer)}' cannot be enforced: {reason}")
    {
        Keyword = keyword;
        Pointer = pointer;
    }

    /// <summary>The keyword, such as <c>uniqueItems</c>.</summary>
    public string Keyword { get; }

    /// <summary>JSON pointer of the schema that holds the keyword; empty for the root.</summary>
    public string Pointer { get; }

    /// <summary>Pointers into schemas of strangers have any length; the beginning and the end say enough.</summary>
    internal static string Shorten(string pointer) => pointer.Length <= 160 ? pointer : $"{pointer[..80]}...{pointer[^77..]}";
}
