using System.Text.Json;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text.Json;

/// <summary>
/// Reads what a <c>tokenizer.json</c> does to a text before and after its BPE, and says which of the two kinds of tokeniser that is: byte-level BPE, or BPE over
/// characters with U+2581 for spaces, as files made of SentencePiece models have it.
/// </summary>
internal static class TokenizerPipeline
{
    private const string Mark = "\u2581", CodeGpt2 = "gpt-2", CodeDigits = "smollm";

    /// <summary>The patterns of published files, and what <c>tokenizer.ggml.pre</c> calls the same.</summary>
    private static readonly Dictionary<string, string> Patterns = new(StringComparer.Ordinal)
    {
        [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = CodeGpt2,
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = "llama-bpe",
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = "qwen2",
        [@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = "tekken",
        [@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = "gpt-4o",
    };

    /// <summary>The data with the kind of tokeniser and what goes with it.</summary>
    /// <exception cref="ModelFileException">A part is not known, or does not go with the others.</exception>
    public static TokenizerData Read(JsonFields root, TokenizerData data, JsonFields model)
    {
        List<JsonFields> normalizers = Parts(root, "normalizer", "normalizers"), cutters = Parts(root, "pre_tokenizer", "pretokenizers");
        bool isByteLevel = cutters.Any(c => TypeOf(c) == "ByteLevel");
        return isByteLevel
            ? ReadByteLevel(data with { Model = "gpt2", IgnoreMerges = model.Flag("ignore_merges", false) }, normalizers, cutters)
            : ReadMarked(data with { Model = "llama" }, root, normalizers, cutters);
    }

    /// <summary>A part, or the parts of a sequence of them; none where the field is missing.</summary>
    public static List<JsonFields> Parts(JsonFields owner, string field, string list)
    {
        if (owner.Optional(field) is not { } part)
            return [];
        if (TypeOf(part) != "Sequence")
            return [part];
        var parts = new List<JsonFields>();
        if (part.Find(list) is not { ValueKind: JsonValueKind.Array } items)
            throw part.Error(list, "must be a list.");
        foreach (JsonElement item in items.EnumerateArray())
            parts.Add(new JsonFields(item, TokenizerJsonReader.FileName, $"{field}.{list}[{parts.Count}]"));
        return parts;
    }

    public static string TypeOf(JsonFields part) => part.Text("type") ?? throw part.Error("type", "is missing.");

    public static ModelFileException Unknown(JsonFields part, string known) =>
        part.Error("type", $"is '{ModelFileException.Printable(TypeOf(part))}', which is not supported there; supported are {known}.");

    private static TokenizerData ReadByteLevel(TokenizerData data, List<JsonFields> normalizers, List<JsonFields> cutters)
    {
        foreach (JsonFields normalizer in normalizers)
        {
            if (TypeOf(normalizer) != "NFC")
                throw Unknown(normalizer, "NFC");
        }

        string? pre = null;
        bool hasDigits = false;
        foreach (JsonFields cutter in cutters)
        {
            switch (TypeOf(cutter))
            {
                case "Split":
                    pre = pre is null ? PatternOf(cutter) : throw cutter.Error("pattern", "is the second of its kind; one is supported.");
                    break;
                case "Digits" when cutter.Flag("individual_digits", false):
                    hasDigits = pre is null ? true : throw cutter.Error("type", "is Digits behind another way of cutting; it must stand in front.");
                    break;
                case "ByteLevel":
                    if (cutter.Flag("add_prefix_space", true))
                        throw cutter.Error("add_prefix_space", "is true, which is not supported; it must be false.");
                    if (cutter.Flag("use_regex", true))
                        pre = pre is null ? CodeGpt2 : throw cutter.Error("use_regex", "is true beside a pattern of its own; one of both is supported.");
                    break;
                default:
                    throw Unknown(cutter, "Split, Digits with individual_digits, ByteLevel");
            }
        }

        if (pre is null || (hasDigits && pre != CodeGpt2))
            throw cutters[0].Error("type", "makes a way of cutting texts that is not supported; supported are one pattern of a published model, or digits by themselves and the pattern of GPT-2.");
        return data with { Pre = hasDigits ? CodeDigits : pre, NormalizesToNfc = normalizers.Count > 0 };
    }

    private static string PatternOf(JsonFields split)
    {
        string pattern = split.Required("pattern").Text("Regex") ?? throw split.Error("pattern", "must have a Regex.");
        if (split.Text("behavior") is not ("Isolated" or "isolated") || split.Flag("invert", false))
            throw split.Error("behavior", "must be Isolated, without invert.");
        return Patterns.TryGetValue(pattern, out string? name)
            ? name
            : throw split.Error("pattern.Regex", $"is '{ModelFileException.Printable(pattern)}', which is not known; known are the patterns of {string.Join(", ", Patterns.Values)}.");
    }

    private static TokenizerData ReadMarked(TokenizerData data, JsonFields root, List<JsonFields> normalizers, List<JsonFields> cutters)
    {
        bool isMarked = false, hasPrefix = false, atStartOnly = false, unlessThere = false;
        foreach (JsonFields normalizer in normalizers)
        {
            switch (TypeOf(normalizer))
            {
                case "Prepend" when normalizer.Text("prepend") == Mark:
                    hasPrefix = true;
                    break;
                case "Replace" when normalizer.Required("pattern").Text("String") == " " && normalizer.Text("content") == Mark:
                    isMarked = true;
                    break;
                default:
                    throw Unknown(normalizer, "Prepend of U+2581, and Replace of spaces by it");
            }
        }

        foreach (JsonFields cutter in cutters)
        {
            switch (TypeOf(cutter))
            {
                case "Metaspace" when !isMarked && cutter.Text("replacement") == Mark:
                    (hasPrefix, atStartOnly) = Scheme(cutter);
                    isMarked = unlessThere = true;
                    break;
                case "Split" when isMarked && cutter.Required("pattern").Text("String") == " ":
                    break; // there are no spaces any more: nothing is cut
                default:
                    throw Unknown(cutter, "ByteLevel with what goes with it, or Metaspace");
            }
        }

        if (!isMarked)
            throw root.Error("pre_tokenizer", "neither is ByteLevel nor writes U+2581 for spaces; one of both is needed.");
        return data with { AddSpacePrefix = hasPrefix, SpacePrefixAtStartOnly = atStartOnly, SpacePrefixUnlessThere = unlessThere };
    }

    private static (bool HasPrefix, bool AtStartOnly) Scheme(JsonFields metaspace)
    {
        if (metaspace.Flag("split", true))
            throw metaspace.Error("split", "is true, which is not supported for BPE; it must be false.");
        string usual = metaspace.Flag("add_prefix_space", true) ? "always" : "never";
        string scheme = metaspace.Text("prepend_scheme") ?? usual;
        return scheme switch
        {
            "always" => (true, false),
            "first" => (true, true),
            "never" => (false, false),
            _ => throw metaspace.Error("prepend_scheme", $"is '{ModelFileException.Printable(scheme)}'; known are always, first, never."),
        };
    }
}
