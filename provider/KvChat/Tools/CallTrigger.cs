using System.Text;
using KvChat.Runtime.Text;

namespace KvChat.Tools;

/// <summary>
/// What begins a call, and which tokens of a vocabulary could complete it. A model may write it as one token, in parts, or with the beginning of the call attached. Made
/// once for a model; thread-safe.
/// </summary>
internal sealed class CallTrigger
{
    private readonly Tokenizer _tokenizer;
    private readonly byte[] _text;
    private readonly int? _token;
    private readonly int[] _whole;
    private readonly int[][] _endings;

    /// <param name="text">The mark; an empty one stands for a brace at the start of the answer, which is then part of the call.</param>
    /// <param name="tokenizer">The vocabulary.</param>
    public CallTrigger(string text, Tokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        _text = Encoding.UTF8.GetBytes(text);
        _token = text.Length > 0 ? tokenizer.Find(text) : null;
        var whole = new List<int>();
        var endings = new List<int>[_text.Length];
        for (int i = 0; i < endings.Length; i++)
            endings[i] = [];
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            ReadOnlySpan<byte> bytes = BytesOf(id);
            if (bytes.IsEmpty)
                continue;
            if (_text.Length == 0 ? bytes.TrimStart(" \n\r\t"u8) is [(byte)'{', ..] : bytes.IndexOf(_text) >= 0)
                whole.Add(id);
            for (int matched = 1; matched < _text.Length; matched++)
            {
                if (bytes.StartsWith(_text.AsSpan(matched)))
                    endings[matched].Add(id);
            }
        }

        _whole = [.. whole];
        _endings = [.. endings.Select(e => e.ToArray())];
    }

    /// <summary>How many of the newest bytes of an answer must be remembered.</summary>
    public int Length => _text.Length == 0 ? 16 : _text.Length;

    /// <summary>Whether a control token stands for it, which no text can spell.</summary>
    public bool IsControl => _token is { } id && _tokenizer.KindOf(id) == TokenKind.Control;

    /// <summary>The token that is the mark and nothing else; null where there is none.</summary>
    public int? Token => _token;

    /// <summary>The text of a token, that of the mark's own token included.</summary>
    public ReadOnlySpan<byte> BytesOf(int token)
    {
        if (token == _token)
            return _text;
        return _tokenizer.KindOf(token) is TokenKind.Control or TokenKind.Unknown ? [] : _tokenizer.BytesOf(token);
    }

    /// <summary>Tokens that may complete the mark behind the newest bytes of an answer.</summary>
    /// <param name="tail">The newest bytes.</param>
    /// <param name="matched">Bytes of the mark that the answer ends with, from 0, the whole mark in one token, to below <see cref="Length"/>; all are to be asked for.</param>
    public ReadOnlySpan<int> Candidates(List<byte> tail, int matched)
    {
        if (_text.Length == 0)
            return matched == 0 && IsBlank(tail) ? _whole : [];
        return matched == 0 ? _whole : EndsWith(tail, matched) ? _endings[matched] : [];
    }

    /// <summary>Where, among a token's bytes, the mark is complete.</summary>
    /// <returns>The number of bytes up to its end, or -1 where it is not completed.</returns>
    public int Find(List<byte> tail, ReadOnlySpan<byte> bytes)
    {
        if (_text.Length == 0)
        {
            ReadOnlySpan<byte> text = bytes.TrimStart(" \n\r\t"u8);
            return IsBlank(tail) && text is [(byte)'{', ..] ? bytes.Length - text.Length : -1;
        }

        for (int matched = _text.Length - 1; matched > 0; matched--)
        {
            if (EndsWith(tail, matched) && bytes.StartsWith(_text.AsSpan(matched)))
                return _text.Length - matched;
        }

        int whole = bytes.IndexOf(_text);
        return whole < 0 ? -1 : whole + _text.Length;
    }

    private static bool IsBlank(List<byte> tail) => tail.TrueForAll(b => b is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t');

    private bool EndsWith(List<byte> tail, int length)
    {
        if (tail.Count < length)
            return false;
        for (int i = 0; i < length; i++)
        {
            if (tail[tail.Count - length + i] != _text[i])
                return false;
        }

        return true;
    }
}
