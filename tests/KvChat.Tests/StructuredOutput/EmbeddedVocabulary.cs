using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Masks;
using KvChat.TestSupport;

namespace KvChat.Tests.StructuredOutput;

/// <summary>The vocabulary of the model that travels with the repository.</summary>
internal static class EmbeddedVocabulary
{
    private static readonly Lazy<Tokenizer> Loaded = new(() =>
    {
        using GgufFile file = GgufFile.Open(SharedFiles.EmbeddedModel);
        return TokenizerFactory.FromGguf(file.Metadata);
    });

    public static Tokenizer Tokenizer => Loaded.Value;

    public static TokenMasker Masker { get; } = new(Loaded.Value);
}
