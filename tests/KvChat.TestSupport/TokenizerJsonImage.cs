using System.Text.Json.Nodes;

namespace KvChat.TestSupport;

/// <summary>Writes tokenizer.json texts of the two kinds that published models have, from the parts that a GGUF vocabulary gives.</summary>
public static class TokenizerJsonImage
{
    private const int Control = 3, UserDefined = 4;

    /// <summary>Byte-level BPE.</summary>
    /// <param name="tokens">Texts by id.</param>
    /// <param name="kinds">GGUF's numbers of kinds by id.</param>
    /// <param name="merges">Merges, best first.</param>
    /// <param name="pattern">The pattern that cuts texts; null for GPT-2's inside of ByteLevel.</param>
    public static JsonObject ByteLevel(IReadOnlyList<string> tokens, IReadOnlyList<int>? kinds, IEnumerable<string> merges, string? pattern = null)
    {
        var byteLevel = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = pattern is null };
        JsonObject file = File(tokens, kinds, merges, byteFallback: false);
        file["pre_tokenizer"] = pattern is null ? byteLevel : new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false }, byteLevel),
        };
        file["decoder"] = new JsonObject { ["type"] = "ByteLevel" };
        return file;
    }

    /// <summary>BPE of a SentencePiece model: merges in the order of the scores of what they make, and U+2581 for spaces by normalisers.</summary>
    /// <param name="tokens">Texts by id.</param>
    /// <param name="kinds">GGUF's numbers of kinds by id.</param>
    /// <param name="scores">Scores by id.</param>
    /// <param name="prepends">Whether a space is put before every run.</param>
    public static JsonObject Marked(IReadOnlyList<string> tokens, IReadOnlyList<int> kinds, IReadOnlyList<float> scores, bool prepends)
    {
        var normalizers = new JsonArray();
        if (prepends)
            normalizers.Add((JsonNode)new JsonObject { ["type"] = "Prepend", ["prepend"] = "\u2581" });
        normalizers.Add((JsonNode)new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = "\u2581" });
        JsonObject file = File(tokens, kinds, Merges(tokens, scores), byteFallback: true);
        file["normalizer"] = new JsonObject { ["type"] = "Sequence", ["normalizers"] = normalizers };
        file["pre_tokenizer"] = null;
        file["model"]!["unk_token"] = "<unk>";
        return file;
    }

    /// <summary>All ways to part a token into two others, in the order of scores; those of one token in the order of their left parts' ids, as converters do.</summary>
    private static IEnumerable<string> Merges(IReadOnlyList<string> tokens, IReadOnlyList<float> scores)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < tokens.Count; id++)
            ids.TryAdd(tokens[id], id);
        foreach (string token in ids.OrderByDescending(t => scores[t.Value]).Select(t => t.Key))
        {
            foreach (string left in Enumerable.Range(1, Math.Max(0, token.Length - 1)).Select(n => token[..n]).Where(l => ids.ContainsKey(l) && ids.ContainsKey(token[l.Length..])).OrderBy(l => ids[l]))
                yield return $"{left} {token[left.Length..]}";
        }
    }

    private static JsonObject File(IReadOnlyList<string> tokens, IReadOnlyList<int>? kinds, IEnumerable<string> merges, bool byteFallback)
    {
        var vocabulary = new JsonObject();
        var added = new JsonArray();
        for (int id = 0; id < tokens.Count; id++)
        {
            if (kinds?[id] is Control or UserDefined)
                added.Add((JsonNode)new JsonObject { ["id"] = id, ["content"] = tokens[id], ["special"] = kinds[id] == Control, ["lstrip"] = false, ["rstrip"] = false });
            else
                vocabulary[tokens[id]] = id;
        }

        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = added,
            ["normalizer"] = null,
            ["post_processor"] = null,
            ["model"] = new JsonObject
            {
                ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = null, ["fuse_unk"] = false, ["byte_fallback"] = byteFallback, ["ignore_merges"] = false,
                ["vocab"] = vocabulary, ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)new JsonArray(m[..m.IndexOf(' ', 1)], m[(m.IndexOf(' ', 1) + 1)..]))]),
            },
        };
    }
}
