using KvChat.Runtime.Models;
using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text.Json;

namespace KvChat.Runtime.Text;

/// <summary>Makes tokenisers from what files say.</summary>
public static class TokenizerFactory
{
    private const string Prefix = "tokenizer.ggml.";

    /// <summary>Checks the data and makes the tokeniser that they describe.</summary>
    /// <exception cref="ModelFileException">The kind or the pre-tokeniser is not known, or the data contradict themselves.</exception>
    public static Tokenizer Create(TokenizerData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return data.Model switch
        {
            "gpt2" => new ByteLevelBpeTokenizer(data),
            "llama" => new SentencePieceBpeTokenizer(data),
            _ => throw new ModelFileException(
                "tokenizer.ggml.model",
                null,
                $"is '{ModelFileException.Printable(data.Model ?? "")}', which is not known; known are gpt2 (byte-level BPE) and llama (SentencePiece BPE)"),
        };
    }

    /// <summary>Makes the tokeniser of a folder in the Hugging Face layout.</summary>
    /// <param name="tokenizer">UTF-8 of <c>tokenizer.json</c>.</param>
    /// <param name="configuration">UTF-8 of <c>tokenizer_config.json</c>, where there is one.</param>
    /// <param name="stops">Tokens that end a reply, as the model's other files say it.</param>
    /// <exception cref="ModelFileException">A file is damaged, or names parts that are not known.</exception>
    public static Tokenizer FromTokenizerJson(ReadOnlyMemory<byte> tokenizer, ReadOnlyMemory<byte>? configuration = null, IReadOnlyList<int>? stops = null)
    {
        TokenizerData data = new TokenizerJsonReader(tokenizer, configuration).Read() with { Stops = stops ?? [] };
        try
        {
            return Create(data);
        }
        catch (ModelFileException error)
        {
            throw TokenizerJsonReader.Renamed(error);
        }
    }

    /// <summary>Makes the tokeniser of a GGUF file.</summary>
    /// <exception cref="ModelFileException">The file has no tokeniser, one that is not known, or one that contradicts itself.</exception>
    public static Tokenizer FromGguf(GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        TokenizerData data = Read(metadata);
        try
        {
            return Create(data);
        }
        catch (ModelFileException error)
        {
            throw metadata.Locate(error);
        }
    }

    /// <summary>The tokeniser's fields of a GGUF file, not yet checked against each other.</summary>
    /// <exception cref="ModelFileException">A field has the wrong type, or there is no tokeniser.</exception>
    internal static TokenizerData Read(GgufMetadata metadata)
    {
        var data = new TokenizerData
        {
            Model = metadata.GetString(Prefix + "model"),
            Tokens = metadata.GetStringArray(Prefix + "tokens"),
            Pre = metadata.TryGetString(Prefix + "pre", out string? pre) ? pre : null,
            Scores = metadata.TryGetSingleArray(Prefix + "scores", out float[]? scores) ? scores : null,
            TokenTypes = metadata.TryGetInt32Array(Prefix + "token_type", out int[]? types) ? types : null,
            Merges = metadata.TryGetStringArray(Prefix + "merges", out string[]? merges) ? merges : null,
            Bos = Id(metadata, "bos"),
            Eos = Id(metadata, "eos"),
            Eot = Id(metadata, "eot"),
            Eom = Id(metadata, "eom"),
            Unknown = Id(metadata, "unknown"),
            AddBos = Flag(metadata, "add_bos_token"),
            AddEos = Flag(metadata, "add_eos_token"),
            AddSpacePrefix = Flag(metadata, "add_space_prefix"),
        };
        bool phi3 = data.Model == "llama" && metadata.TryGetString("general.architecture", out string? architecture) && architecture == "phi3";
        return phi3 ? data with { TakesSpaceAfter = [.. Phi3TakesSpaceAfter(data)] } : data;
    }

    private static bool? Flag(GgufMetadata metadata, string name) => metadata.TryGetBoolean(Prefix + name, out bool value) ? value : null;

    /// <summary>A special id; converters write "none" as -1, which an unsigned field shows as its largest value.</summary>
    private static int? Id(GgufMetadata metadata, string name)
    {
        string key = $"{Prefix}{name}_token_id";
        if (!metadata.TryGetType(key, out GgufValueType type))
            return null;
        if (type is GgufValueType.Int8 or GgufValueType.Int16 or GgufValueType.Int32 or GgufValueType.Int64)
            return metadata.GetInt32(key) is not -1 and int signed ? signed : null;
        return metadata.GetUInt32(key) switch
        {
            uint.MaxValue => null,
            > int.MaxValue => int.MaxValue,
            uint id => (int)id,
        };
    }

    /// <summary>
    /// GGUF does not keep the <c>rstrip</c> of Phi-3's added tokens: all special ones have it but the unknown token, BOS and
    /// <c>&lt;|endoftext|&gt;</c>, and <c>&lt;/s&gt;</c> has it too.
    /// </summary>
    private static IEnumerable<int> Phi3TakesSpaceAfter(TokenizerData data)
    {
        for (int id = 0; id < data.Tokens.Count && id < (data.TokenTypes?.Count ?? 0); id++)
        {
            bool control = data.TokenTypes![id] == (int)TokenKind.Control && data.Tokens[id] is not ("<unk>" or "<s>" or "<|endoftext|>");
            if (control || data.Tokens[id] == "</s>")
                yield return id;
        }
    }
}
