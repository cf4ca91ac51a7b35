using System.Text;

namespace KvChat.Runtime.Text;

/// <summary>
/// Turns tokens into text as they come: the pieces together are what <see cref="Tokenizer.Decode"/> gives for all the tokens, and no piece
/// ends inside a character. Not thread-safe; one per reply.
/// </summary>
public sealed class StreamingDetokenizer
{
    private readonly Tokenizer tokenizer;
    private readonly bool skipSpecial;
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private char[] buffer = new char[64];
    private bool atStart = true;

    /// <summary>Makes one that has seen no tokens.</summary>
    /// <param name="tokenizer">Knows the tokens.</param>
    /// <param name="skipSpecial">Leaves out control and unknown tokens.</param>
    public StreamingDetokenizer(Tokenizer tokenizer, bool skipSpecial = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer;
        this.skipSpecial = skipSpecial;
    }

    /// <summary>Takes a token and returns the text that is complete now; often empty, which allocates nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public string Append(int id)
    {
        if (!tokenizer.IsShown(id, skipSpecial))
            return "";
        ReadOnlySpan<byte> bytes = tokenizer.BytesOf(id);
        if (bytes.IsEmpty)
            return "";
        if (atStart && tokenizer.StripsLeadingSpace && bytes[0] == ' ')
            bytes = bytes[1..];
        atStart = false;
        return Convert(bytes, flush: false);
    }

    /// <summary>Ends the text: an unfinished character becomes U+FFFD. Afterwards the object is as new.</summary>
    public string Flush()
    {
        string rest = Convert([], flush: true);
        decoder.Reset();
        atStart = true;
        return rest;
    }

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        int most = Encoding.UTF8.GetMaxCharCount(bytes.Length);
        if (buffer.Length < most)
            buffer = new char[most];
        int count = decoder.GetChars(bytes, buffer, flush);
        return count == 0 ? "" : new string(buffer, 0, count);
    }
}
