using System.Text.Json;
using KvChat.Runtime.Models;

namespace KvChat.Runtime.Text.Json;

/// <summary>Reads <c>tokenizer.json</c> (huggingface/tokenizers) and what <c>tokenizer_config.json</c> adds to it.</summary>
internal sealed class TokenizerJsonReader(ReadOnlyMemory<byte> tokenizer, ReadOnlyMemory<byte>? configuration)
{
    public const string FileName = "tokenizer.json";

    private const string ConfigurationName = "tokenizer_config.json";

    /// <summary>What the file calls the fields of <see cref="TokenizerData"/>.</summary>
    private static readonly (string Ours, string Theirs)[] Fields =
    [
        ("tokenizer.ggml.tokens", "vocabulary"), ("tokenizer.ggml.merges", "model.merges"), ("tokenizer.ggml.token_type", "added_tokens"), ("tokenizer.ggml.scores", "model.vocab"),
        ("tokenizer.ggml.bos_token_id", "bos_token"), ("tokenizer.ggml.eos_token_id", "eos_token"), ("tokenizer.ggml.unknown_token_id", "model.unk_token"),
    ];

    /// <summary>The data, not yet checked against each other.</summary>
    /// <exception cref="ModelFileException">A file is damaged, or names a part that is not known.</exception>
    public TokenizerData Read()
    {
        using JsonDocument document = SmallFile.Parse(tokenizer, FileName);
        var root = new JsonFields(document.RootElement, FileName);
        JsonFields model = root.Required("model");
        string type = model.Text("type") ?? (model.Has("merges") ? "BPE" : "?");
        if (type != "BPE")
            throw model.Error("type", $"is '{ModelFileException.Printable(type)}', which is not supported; supported is BPE. A GGUF file of the model may help.");
        RefuseVariants(model);
        var vocabulary = new TokenizerJsonVocabulary(root, model);
        TokenizerData data = TokenizerPipeline.Read(root, vocabulary.ToData(model.Text("unk_token")), model);
        return WithSpecials(data, vocabulary, root);
    }

    /// <summary>An error of the checks behind, with the names that this file gives.</summary>
    public static ModelFileException Renamed(ModelFileException error)
    {
        foreach ((string ours, string theirs) in Fields)
        {
            if (error.Field.StartsWith(ours, StringComparison.Ordinal))
                return new ModelFileException(theirs + error.Field[ours.Length..], error.Offset, error.Problem, FileName, error);
        }

        return new ModelFileException(error.Field, error.Offset, error.Problem, FileName, error);
    }

    private static void RefuseVariants(JsonFields model)
    {
        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Text(name) is { Length: > 0 } affix)
                throw model.Error(name, $"is '{ModelFileException.Printable(affix)}'; tokens with marks of words are not supported.");
        }
    }

    /// <summary>Beginning and end of sequence: what is put around a text says most, the configuration's names the rest.</summary>
    private TokenizerData WithSpecials(TokenizerData data, TokenizerJsonVocabulary vocabulary, JsonFields root)
    {
        (int? before, int? after) = TokenizerPostProcessor.Read(root, vocabulary);
        (int? Bos, int? Eos, bool? AddBos, bool? AddEos) said = (null, null, null, null);
        if (configuration is { } json)
        {
            using JsonDocument document = SmallFile.Parse(json, ConfigurationName);
            var fields = new JsonFields(document.RootElement, ConfigurationName);
            said = (Named(fields, "bos_token", vocabulary), Named(fields, "eos_token", vocabulary), MaybeFlag(fields, "add_bos_token"), MaybeFlag(fields, "add_eos_token"));
        }

        bool isSilent = !root.Has("post_processor");
        return data with
        {
            Bos = before ?? said.Bos,
            Eos = said.Eos ?? after,
            AddBos = before is not null || (isSilent && said.AddBos == true),
            AddEos = after is not null || (isSilent && said.AddEos == true),
        };
    }

    private static bool? MaybeFlag(JsonFields fields, string name) => fields.Has(name) ? fields.Flag(name, false) : null;

    /// <summary>A special token by its text, which stands alone or in an object.</summary>
    private static int? Named(JsonFields fields, string name, TokenizerJsonVocabulary vocabulary)
    {
        string? text = fields.Find(name) is { ValueKind: JsonValueKind.Object } ? fields.Required(name).Text("content") : fields.Text(name);
        return text is null ? null : vocabulary.Find(text);
    }
}
