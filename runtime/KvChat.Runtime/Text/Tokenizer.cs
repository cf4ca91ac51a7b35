using System.Buffers;
using System.Text;

namespace KvChat.Runtime.Text;

/// <summary>
/// Text to tokens and back. Instances are immutable and may be used from many threads. Files give theirs through <see cref="TokenizerFactory"/>.
/// </summary>
public abstract class Tokenizer
{
    /// <summary>Number of tokens; ids run from 0.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Beginning of sequence, where there is one.</summary>
    public abstract int? BosId { get; }

    /// <summary>End of sequence, where there is one.</summary>
    public abstract int? EosId { get; }

    /// <summary>Tokens that end a reply: end of sequence, of turn, of message, and control tokens with names known to mean that. Ascending.</summary>
    public abstract IReadOnlyList<int> EndOfGenerationIds { get; }

    /// <summary>Whether a prompt begins with <see cref="BosId"/> (see <see cref="WithBos"/>); <see cref="Encode(RenderedText)"/> never adds it.</summary>
    public abstract bool AddBos { get; }

    /// <summary>Whether the file asks for <see cref="EosId"/> after a text; <see cref="Encode(RenderedText)"/> never adds it.</summary>
    public abstract bool AddEos { get; }

    /// <summary>Whether decoding leaves out one space at the very beginning, because encoding put one there.</summary>
    public virtual bool StripsLeadingSpace => false;

    /// <summary>What the token is for.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public abstract TokenKind KindOf(int id);

    /// <summary>The token as the vocabulary writes it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public abstract string TextOf(int id);

    /// <summary>The bytes of UTF-8 that the token decodes to; they may be part of a character.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public abstract ReadOnlySpan<byte> BytesOf(int id);

    /// <summary>The token that the vocabulary writes so, whatever its kind; null if there is none.</summary>
    public abstract int? Find(string tokenText);

    /// <summary>
    /// Tokens of a text, without BOS. Control and user-defined tokens are recognised only where every one of their characters is of origin
    /// <see cref="RenderedText.Template"/>; the text between them is one run, whatever the borders of its origins. User-defined tokens
    /// that are white space alone mean nothing but themselves and are recognised everywhere. Unpaired surrogates count as U+FFFD.
    /// </summary>
    public abstract EncodedText Encode(RenderedText text);

    /// <summary>Tokens of a text all of which is the template's (<paramref name="allowSpecial"/>) or a user's.</summary>
    public EncodedText Encode(string text, bool allowSpecial) => Encode(RenderedText.From(text, allowSpecial ? RenderedText.Template : 1));

    /// <summary>The same tokens with <see cref="BosId"/> before them, where <see cref="AddBos"/> asks for it and it is not there yet.</summary>
    public EncodedText WithBos(EncodedText text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!AddBos || BosId is not int bos || (text.Ids.Length > 0 && text.Ids[0] == bos))
            return text;
        return new([bos, .. text.Ids], [0, .. text.Starts], text.DroppedBytes);
    }

    /// <summary>The text of tokens; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="skipSpecial">Leaves out control and unknown tokens.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial)
    {
        var bytes = new ArrayBufferWriter<byte>(Math.Max(16, ids.Length * 4));
        foreach (int id in ids)
        {
            if (IsShown(id, skipSpecial))
                bytes.Write(BytesOf(id));
        }

        ReadOnlySpan<byte> all = bytes.WrittenSpan;
        return Encoding.UTF8.GetString(StripsLeadingSpace && all.StartsWith(" "u8) ? all[1..] : all);
    }

    /// <summary>Whether a token shows in decoded text.</summary>
    internal bool IsShown(int id, bool skipSpecial) => !skipSpecial || KindOf(id) is not (TokenKind.Control or TokenKind.Unknown);
}
