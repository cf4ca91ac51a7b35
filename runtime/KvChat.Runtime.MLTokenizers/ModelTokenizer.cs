using System.Buffers;
using System.Text;
using System.Text.Unicode;
using KvChat.Runtime.Text;
using Microsoft.ML.Tokenizers;

namespace KvChat.Runtime.MLTokenizers;

/// <summary>
/// A model's own tokeniser as a <see cref="Microsoft.ML.Tokenizers.Tokenizer"/>: for text splitters, token counters and whatever else takes one. It has neither normaliser nor pre-tokeniser of its own
/// to switch off, so that the settings about them change nothing. Safe for concurrent use.
/// </summary>
public sealed class ModelTokenizer : Microsoft.ML.Tokenizers.Tokenizer
{
    private readonly Text.Tokenizer _tokenizer;
    private readonly bool _allowSpecial;

    /// <summary>Wraps a tokeniser.</summary>
    /// <param name="tokenizer">The model's, such as <c>LoadedModel.Tokenizer</c>.</param>
    /// <param name="allowSpecial">Whether text that looks like a special token becomes one; left false, it is plain text, as whatever a user wrote must be.</param>
    public ModelTokenizer(Text.Tokenizer tokenizer, bool allowSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _allowSpecial = allowSpecial;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return _tokenizer.Decode([.. ids], skipSpecial: false);
    }

    /// <summary>Decodes as many tokens as there is room for; a character that several tokens make comes whole or not at all.</summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="destination">Where the text goes.</param>
    /// <param name="idsConsumed">Tokens whose text is there.</param>
    /// <param name="charsWritten">UTF-16 code units written.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        idsConsumed = charsWritten = 0;
        int seen = 0;
        var pending = new ArrayBufferWriter<byte>();
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> bytes = _tokenizer.BytesOf(id);
            pending.Write(seen++ == 0 && _tokenizer.StripsLeadingSpace && bytes.StartsWith(" "u8) ? bytes[1..] : bytes);
            OperationStatus status = Utf8.ToUtf16(pending.WrittenSpan, destination[charsWritten..], out _, out int written, replaceInvalidSequences: true, isFinalBlock: false);
            if (status == OperationStatus.DestinationTooSmall)
                return status;
            if (status != OperationStatus.Done)
                continue; // the character goes on in the next token
            pending.ResetWrittenCount();
            charsWritten += written;
            idsConsumed = seen;
        }

        if (pending.WrittenCount == 0)
            return OperationStatus.Done;
        OperationStatus last = Utf8.ToUtf16(pending.WrittenSpan, destination[charsWritten..], out _, out int rest, replaceInvalidSequences: true, isFinalBlock: true);
        if (last != OperationStatus.Done)
            return last;
        charsWritten += rest;
        idsConsumed = seen;
        return last;
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        (EncodedText encoded, int length, int count, int consumed) = Encode(text, textSpan, settings);
        var tokens = new EncodedToken[count];
        for (int i = 0; i < count; i++)
        {
            int start = Math.Min(encoded.Starts[i], length), end = i + 1 < encoded.Starts.Length ? Math.Min(encoded.Starts[i + 1], length) : length;
            tokens[i] = new EncodedToken(encoded.Ids[i], _tokenizer.TextOf(encoded.Ids[i]), new Range(start, Math.Max(start, end)));
        }

        return new EncodeResults<EncodedToken> { Tokens = tokens, CharsConsumed = consumed };
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        (EncodedText encoded, _, int count, int consumed) = Encode(text, textSpan, settings);
        return new EncodeResults<int> { Tokens = count == encoded.Ids.Length ? encoded.Ids : encoded.Ids[..count], CharsConsumed = consumed };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) => Encode(text, textSpan, settings).Count;

    private (EncodedText Encoded, int Length, int Count, int Consumed) Encode(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(settings.MaxTokenCount);
        string whole = text ?? textSpan.ToString();
        EncodedText encoded = _tokenizer.Encode(whole, _allowSpecial);
        int count = Math.Min(encoded.Ids.Length, settings.MaxTokenCount);
        return (encoded, whole.Length, count, count < encoded.Ids.Length ? Math.Min(encoded.Starts[count], whole.Length) : whole.Length);
    }
}
