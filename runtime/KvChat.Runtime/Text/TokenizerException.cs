namespace KvChat.Runtime.Text;

/// <summary>A vocabulary cannot be used: says which field is wrong, its value and what would be right.</summary>
public sealed class TokenizerException : Exception
{
    /// <param name="field">The field at fault, named as in the file, such as <c>tokenizer.ggml.scores</c>.</param>
    /// <param name="message">What is wrong with it and what would be right.</param>
    public TokenizerException(string field, string message)
        : base($"{field}: {message}") => Field = field;

    /// <summary>The field at fault.</summary>
    public string Field { get; }
}
