using System.Buffers;
using System.Globalization;
using System.Text;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text;

/// <summary>Checked texts, kinds and bytes of the tokens of a file.</summary>
internal sealed class Vocabulary
{
    /// <summary>Longest text, in UTF-16 code units, that encoding ever looks for: it bounds the work that a hostile vocabulary can cause.</summary>
    public const int LongestMatch = 1024;

    private readonly string[] texts;
    private readonly TokenKind[] kinds;
    private readonly byte[] bytes;
    private readonly int[] ends;
    private readonly Dictionary<string, int> ids;
    private readonly int[] byteIds = new int[256];

    /// <param name="data">What the file says.</param>
    /// <param name="decode">What a normal, unused or plain user-defined token decodes to.</param>
    /// <exception cref="ModelFileException">The data contradict themselves.</exception>
    public Vocabulary(TokenizerData data, Func<string, byte[]> decode)
    {
        texts = CheckTexts(data.Tokens);
        kinds = CheckKinds(data);
        ids = new Dictionary<string, int>(texts.Length, StringComparer.Ordinal);
        Lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        ends = new int[texts.Length];
        Array.Fill(byteIds, -1);
        var all = new ArrayBufferWriter<byte>();
        for (int id = 0; id < texts.Length; id++)
        {
            ids.TryAdd(texts[id], id);
            all.Write(BytesFor(id, decode));
            ends[id] = all.WrittenCount;
        }

        bytes = all.WrittenSpan.ToArray();
    }

    public int Count => texts.Length;

    public TokenKind KindOf(int id) => kinds[Checked(id)];

    public string TextOf(int id) => texts[Checked(id)];

    public ReadOnlySpan<byte> BytesOf(int id)
    {
        int start = Checked(id) == 0 ? 0 : ends[id - 1];
        return bytes.AsSpan(start, ends[id] - start);
    }

    public int? Find(string text) => ids.TryGetValue(text, out int id) ? id : null;

    /// <summary>Ids by text, looked up by a part of a text without copying it.</summary>
    public Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> Lookup { get; }

    /// <summary>The byte token of a byte, or -1.</summary>
    public int ByteId(byte value) => byteIds[value];

    /// <summary>
    /// Whether users' text may become the token. User-defined tokens that are white space alone carry no structure; all others do.
    /// </summary>
    public bool IsPlain(int id) => kinds[id] == TokenKind.Normal
        || (kinds[id] == TokenKind.UserDefined && texts[id].All(c => char.IsWhiteSpace(c) || c == SentencePieceSpace));

    /// <summary>U+2581, by which SentencePiece writes a space.</summary>
    public const char SentencePieceSpace = '\u2581';

    private int Checked(int id) => (uint)id < (uint)texts.Length
        ? id
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"Token {id} does not exist; ids run from 0 to {texts.Length - 1}.");

    private byte[] BytesFor(int id, Func<string, byte[]> decode)
    {
        if (kinds[id] == TokenKind.Byte)
        {
            byte value = ParseByte(id);
            if (byteIds[value] < 0)
                byteIds[value] = id;
            return [value];
        }

        return IsPlain(id) || kinds[id] == TokenKind.Unused ? decode(texts[id]) : Encoding.UTF8.GetBytes(texts[id]);
    }

    private byte ParseByte(int id)
    {
        string text = texts[id];
        return text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
            && byte.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : throw new ModelFileException($"tokenizer.ggml.tokens[{id}]", null, $"is '{ModelFileException.Printable(text)}'; the text of a byte token must be like <0x0A>");
    }

    private static string[] CheckTexts(IReadOnlyList<string>? tokens)
    {
        if (tokens is null || tokens.Count == 0)
            throw new ModelFileException("tokenizer.ggml.tokens", null, "has no tokens; there must be at least one");
        string[] texts = [.. tokens];
        int missing = Array.IndexOf(texts, null);
        return missing < 0 ? texts : throw new ModelFileException($"tokenizer.ggml.tokens[{missing}]", null, "has no text; it must have one, if only an empty one");
    }

    private static TokenKind[] CheckKinds(TokenizerData data)
    {
        var kinds = new TokenKind[data.Tokens.Count];
        Array.Fill(kinds, TokenKind.Normal);
        if (data.TokenTypes is not { } types)
        {
            // Without types the file's own special ids are the only hint at what is structure; a name like "\n" is still text.
            foreach (int? id in (int?[])[data.Bos, data.Eos, data.Eot, data.Eom])
            {
                if (id is int special && (uint)special < (uint)kinds.Length && data.Tokens[special] is ['<' or '[', .., '>' or ']'])
                    kinds[special] = TokenKind.Control;
            }

            return kinds;
        }

        if (types.Count != kinds.Length)
            throw new ModelFileException("tokenizer.ggml.token_type", null, $"has {types.Count} types for {kinds.Length} tokens; there must be as many");
        for (int id = 0; id < kinds.Length; id++)
        {
            if (types[id] is < 0 or > (int)TokenKind.Byte)
                throw new ModelFileException($"tokenizer.ggml.token_type[{id}]", null, $"is {types[id]}; it must be from 0 to 6");
            if (types[id] != 0)
                kinds[id] = (TokenKind)types[id];
        }

        return kinds;
    }
}
