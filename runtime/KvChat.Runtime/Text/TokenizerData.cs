namespace KvChat.Runtime.Text;

/// <summary>
/// What a model file says about its tokeniser, before any of it is believed: <see cref="TokenizerFactory.Create"/> checks it. Field names in
/// errors are those of GGUF (<c>tokenizer.ggml.*</c>).
/// </summary>
public sealed record TokenizerData
{
    /// <summary>Kind of tokeniser: <c>gpt2</c> (byte-level BPE) or <c>llama</c> (SentencePiece BPE with byte fallback).</summary>
    public required string Model { get; init; }

    /// <summary>Texts of the tokens, [vocabulary]. Where a text occurs twice, the lower id is the one that encoding uses.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>Name of the pre-tokeniser of byte-level BPE, such as <c>llama-bpe</c>; null is <c>default</c>.</summary>
    public string? Pre { get; init; }

    /// <summary>Scores, [vocabulary]; SentencePiece BPE merges the highest first.</summary>
    public IReadOnlyList<float>? Scores { get; init; }

    /// <summary>Numbers of <see cref="TokenKind"/>, [vocabulary]; 0 counts as normal. Null: all are normal but those named as BOS, EOS, EOT or EOM.</summary>
    public IReadOnlyList<int>? TokenTypes { get; init; }

    /// <summary>Merges as <c>left right</c>, best first. Byte-level BPE needs them; SentencePiece BPE takes them in place of <see cref="Scores"/> where they are given.</summary>
    public IReadOnlyList<string>? Merges { get; init; }

    /// <summary>Beginning of sequence.</summary>
    public int? Bos { get; init; }

    /// <summary>End of sequence.</summary>
    public int? Eos { get; init; }

    /// <summary>End of turn.</summary>
    public int? Eot { get; init; }

    /// <summary>End of message.</summary>
    public int? Eom { get; init; }

    /// <summary>What stands for text that the vocabulary lacks.</summary>
    public int? Unknown { get; init; }

    /// <summary>Whether prompts begin with <see cref="Bos"/>; null leaves it to the kind of tokeniser.</summary>
    public bool? AddBos { get; init; }

    /// <summary>Whether texts end with <see cref="Eos"/>; null is no.</summary>
    public bool? AddEos { get; init; }

    /// <summary>Whether SentencePiece puts a space before the text; null is yes.</summary>
    public bool? AddSpacePrefix { get; init; }

    /// <summary>Whether SentencePiece puts that space before the beginning of a text alone, and not also behind every special token.</summary>
    public bool SpacePrefixAtStartOnly { get; init; }

    /// <summary>Whether SentencePiece's space is left out where the text begins with one.</summary>
    public bool SpacePrefixUnlessThere { get; init; }

    /// <summary>Whether texts are brought into Unicode's form NFC before they are cut. Where .NET runs without globalisation data they stay as they are.</summary>
    public bool NormalizesToNfc { get; init; }

    /// <summary>Further tokens that end a reply.</summary>
    public IReadOnlyList<int> Stops { get; init; } = [];

    /// <summary>Whether a piece that is a token as a whole is taken without merging; null leaves it to the pre-tokeniser.</summary>
    public bool? IgnoreMerges { get; init; }

    /// <summary>Special tokens that take the template's white space before them with them (<c>lstrip</c> in tokenizer.json).</summary>
    public IReadOnlyList<int> TakesSpaceBefore { get; init; } = [];

    /// <summary>Special tokens that take the template's white space after them with them (<c>rstrip</c> in tokenizer.json).</summary>
    public IReadOnlyList<int> TakesSpaceAfter { get; init; } = [];
}
