using System.Globalization;
using System.Text.Json;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text.Json;

/// <summary>The tokens of a <c>tokenizer.json</c>: those of its model, and those added to them.</summary>
internal sealed class TokenizerJsonVocabulary
{
    /// <summary>More than any vocabulary has: a hostile id must not cost memory.</summary>
    private const int MostTokens = 1 << 22;

    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly string[] _texts;
    private readonly int[] _kinds;
    private readonly List<int> _takesSpaceBefore = [], _takesSpaceAfter = [];
    private readonly string[] _merges;

    public TokenizerJsonVocabulary(JsonFields root, JsonFields model)
    {
        var added = ReadAdded(root);
        List<(string Text, int Id)> plain = ReadPlain(model);
        int count = plain.Select(t => t.Id).Concat(added.Select(t => t.Id)).DefaultIfEmpty(-1).Max() + 1;
        if (count > (2 * (plain.Count + added.Count)) + 1024)
            throw model.Error("vocab", $"has {plain.Count} tokens, but ids up to {count - 1}.");
        _texts = new string[count];
        _kinds = new int[count];
        bool hasBytes = model.Flag("byte_fallback", false);
        foreach ((string text, int id) in plain)
        {
            if (_texts[id] is { } other)
                throw model.Error("vocab", $"gives id {id} to '{ModelFileException.Printable(other)}' and to '{ModelFileException.Printable(text)}'.");
            Set(id, text, hasBytes && IsByte(text) ? TokenKind.Byte : TokenKind.Normal);
        }

        foreach (AddedToken token in added)
        {
            if (_texts[token.Id] is { } other && other != token.Text)
                throw root.Error("added_tokens", $"gives id {token.Id} to '{ModelFileException.Printable(token.Text)}', which is that of '{ModelFileException.Printable(other)}'.");
            Set(token.Id, token.Text, token.IsSpecial ? TokenKind.Control : TokenKind.UserDefined);
        }

        for (int id = 0; id < count; id++)
        {
            // Rows of the embedding that no token uses; the text is what converters write for them.
            if (_texts[id] is null)
                (_texts[id], _kinds[id]) = (string.Create(CultureInfo.InvariantCulture, $"[PAD{id}]"), (int)TokenKind.Unused);
        }

        _merges = ReadMerges(model);
    }

    /// <summary>The token that is written so, or null.</summary>
    public int? Find(string text) => _ids.TryGetValue(text, out int id) ? id : null;

    public TokenizerData ToData(string? unknown)
    {
        int? unknownId = unknown is null ? null : Find(unknown);
        if (unknownId is { } id)
            _kinds[id] = (int)TokenKind.Unknown;
        return new TokenizerData
        {
            Model = "",
            Tokens = _texts,
            TokenTypes = _kinds,
            Merges = _merges,
            Unknown = unknownId,
            TakesSpaceBefore = _takesSpaceBefore,
            TakesSpaceAfter = _takesSpaceAfter,
        };
    }

    private static List<(string Text, int Id)> ReadPlain(JsonFields model)
    {
        JsonElement vocabulary = model.Find("vocab") ?? throw model.Error("vocab", "is missing; it must be an object of tokens and their ids.");
        if (vocabulary.ValueKind != JsonValueKind.Object)
            throw model.Error("vocab", "must be an object of tokens and their ids.");
        var tokens = new List<(string, int)>();
        try
        {
            foreach (JsonProperty token in vocabulary.EnumerateObject())
            {
                tokens.Add(token.Value.ValueKind == JsonValueKind.Number && token.Value.TryGetInt32(out int id) && id is >= 0 and < MostTokens
                    ? (token.Name, id)
                    : throw model.Error($"vocab.{ModelFileException.Printable(token.Name)}", $"is {ModelFileException.Printable(token.Value.GetRawText())}; it must be an id from 0 to {MostTokens - 1}."));
            }
        }
        catch (InvalidOperationException error)
        {
            throw new ModelFileException("model.vocab", null, "has a token that is no Unicode text.", TokenizerJsonReader.FileName, error);
        }

        return tokens;
    }

    private List<AddedToken> ReadAdded(JsonFields root)
    {
        var tokens = new List<AddedToken>();
        if (root.Find("added_tokens") is not { } list)
            return tokens;
        if (list.ValueKind != JsonValueKind.Array)
            throw root.Wrong("added_tokens", list, "a list of tokens");
        foreach (JsonElement item in list.EnumerateArray())
        {
            var token = new JsonFields(item, TokenizerJsonReader.FileName, $"added_tokens[{tokens.Count}]");
            string text = token.Text("content") ?? throw token.Error("content", "is missing; it must be the token's text.");
            int id = token.Int32("id", null, 0, MostTokens - 1);
            if (token.Flag("single_word", false))
                throw token.Error("single_word", "is true, which is not supported.");
            if (token.Flag("lstrip", false))
                _takesSpaceBefore.Add(id);
            if (token.Flag("rstrip", false))
                _takesSpaceAfter.Add(id);
            tokens.Add(new AddedToken(text, id, token.Flag("special", false)));
        }

        return tokens;
    }

    private static string[] ReadMerges(JsonFields model)
    {
        if (model.Find("merges") is not { } list)
            throw model.Error("merges", "is missing; BPE needs merges, if only an empty list.");
        if (list.ValueKind != JsonValueKind.Array)
            throw model.Wrong("merges", list, "a list of merges");
        var merges = new List<string>(list.GetArrayLength());
        foreach (JsonElement item in list.EnumerateArray())
            merges.Add(Merge(item) ?? throw model.Wrong($"merges[{merges.Count}]", item, "\"left right\" or [\"left\", \"right\"], without further spaces"));
        return [.. merges];
    }

    private static string? Merge(JsonElement item)
    {
        try
        {
            if (item.ValueKind == JsonValueKind.String)
                return item.GetString();
            bool isPair = item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2 && item.EnumerateArray().All(p => p.ValueKind == JsonValueKind.String);
            return isPair && item[0].GetString()! is var left && item[1].GetString()! is var right && !left.Contains(' ', StringComparison.Ordinal) && !right.Contains(' ', StringComparison.Ordinal)
                ? $"{left} {right}"
                : null;
        }
        catch (InvalidOperationException)
        {
            return null; // no Unicode text
        }
    }

    private static bool IsByte(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>' && char.IsAsciiHexDigit(text[3]) && char.IsAsciiHexDigit(text[4]);

    private void Set(int id, string text, TokenKind kind)
    {
        _texts[id] = text;
        _kinds[id] = (int)kind;
        _ids.TryAdd(text, id);
    }

    private readonly record struct AddedToken(string Text, int Id, bool IsSpecial);
}
