using System.Text.Json;
using System.Text.RegularExpressions;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.TestSupport;
using Microsoft.ML.Tokenizers;

namespace KvChat.Runtime.MLTokenizers.Tests;

/// <summary>Tokenisers of model files, ours and one of Microsoft.ML.Tokenizers made from the same fields.</summary>
internal static partial class Vocabularies
{
    public const string SmolLM2 = "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

    public static string FileOf(string name) => name == "tiny" ? SharedFiles.EmbeddedModel : SharedFiles.PathOf(SmolLM2);

    public static Text.Tokenizer Ours(string name)
    {
        using GgufFile file = GgufFile.Open(FileOf(name));
        return TokenizerFactory.FromGguf(file.Metadata);
    }

    /// <summary>A byte-level <see cref="BpeTokenizer"/> with the pre-tokeniser of the SmolLM family.</summary>
    public static BpeTokenizer Theirs(string name, bool knowsSpecial = false)
    {
        using GgufFile file = GgufFile.Open(FileOf(name));
        string[] tokens = file.Metadata.GetStringArray("tokenizer.ggml.tokens");
        Text.Tokenizer ours = Ours(name);
        var special = new Dictionary<string, int>();
        for (int id = 0; id < tokens.Length; id++)
        {
            if (knowsSpecial && ours.KindOf(id) is TokenKind.Control or TokenKind.UserDefined)
                special[tokens[id]] = id;
        }

        return BpeTokenizer.Create(new BpeOptions(tokens.Select((t, id) => KeyValuePair.Create(t, id)))
        {
            Merges = file.Metadata.GetStringArray("tokenizer.ggml.merges"),
            ByteLevel = true,
            SpecialTokens = special,
            PreTokenizer = new RegexPreTokenizer(Pieces(), special),
        });
    }

    public static IEnumerable<(string Text, int[] Ids, string Decoded)> Golden(string name)
    {
        foreach (string line in File.ReadLines(SharedFiles.PathOf($"golden/{name}/tokenizer.jsonl")))
        {
            JsonElement row = JsonElement.Parse(line);
            yield return (row.GetProperty("text").GetString()!, [.. row.GetProperty("ids").EnumerateArray().Select(n => n.GetInt32())], row.GetProperty("decoded").GetString()!);
        }
    }

    // Single digits, then GPT-2's pieces of what lies between them.
    [GeneratedRegex(@"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+")]
    private static partial Regex Pieces();
}
