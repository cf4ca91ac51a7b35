using System.Globalization;
using System.Text;

namespace KvChat.Runtime.Models;

/// <summary>A model file that cannot be used: damaged, cut short, hostile, or of a kind that is not supported.</summary>
public sealed class ModelFileException : Exception
{
    private const int LongestQuote = 80;

    /// <summary>An error about one field of a model file.</summary>
    /// <param name="field">The field, such as <c>llama.block_count</c> or <c>header.tensor_count</c>.</param>
    /// <param name="offset">Byte of the file at which the field stands, where that is known.</param>
    /// <param name="problem">What it holds and what would be right, as the end of a sentence that starts with the field.</param>
    /// <param name="file">Name of the file, where there is one.</param>
    /// <param name="innerException">What caused this error, if anything did.</param>
    public ModelFileException(string field, long? offset, string problem, string? file = null, Exception? innerException = null)
        : base(Compose(field, offset, problem, file), innerException)
    {
        Field = field;
        Offset = offset;
        File = file;
        Problem = problem;
    }

    /// <summary>The field that is wrong.</summary>
    public string Field { get; }

    /// <summary>Byte of the file at which the field stands; null where it stands nowhere, as a missing one.</summary>
    public long? Offset { get; }

    /// <summary>Name of the file; null where it has none.</summary>
    public string? File { get; }

    /// <summary>The end of the sentence that starts with the field.</summary>
    internal string Problem { get; }

    /// <summary>Text from a file made fit for a message: cut at 80 characters, control characters escaped.</summary>
    internal static string Printable(string text)
    {
        StringBuilder builder = new();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, LongestQuote)))
        {
            _ = char.IsControl(c) || char.IsSurrogate(c)
                ? builder.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
                : builder.Append(c);
        }

        return text.Length > LongestQuote ? builder.Append('…').ToString() : builder.ToString();
    }

    private static string Compose(string field, long? offset, string problem, string? file)
    {
        string prefix = file is null ? "" : $"{file}: ";
        string place = offset is null ? "" : $" at byte {offset}";
        return $"{prefix}{field}{place} {problem}";
    }
}
