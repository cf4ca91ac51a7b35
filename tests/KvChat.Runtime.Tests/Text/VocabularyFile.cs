using KvChat.Runtime.Models.Gguf;
using KvChat.Runtime.Text;
using KvChat.TestSupport;

namespace KvChat.Runtime.Tests.Text;

/// <summary>Tokenisers of GGUF files.</summary>
internal static class VocabularyFile
{
    private static readonly Lazy<Tokenizer> EmbeddedTokenizer = new(() => Open(SharedFiles.EmbeddedModel));

    /// <summary>The tokeniser of the model that travels with the repository.</summary>
    public static Tokenizer Embedded => EmbeddedTokenizer.Value;

    public static Tokenizer Open(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return TokenizerFactory.FromGguf(file.Metadata);
    }

    public static TokenizerData Read(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return TokenizerFactory.Read(file.Metadata);
    }
}
