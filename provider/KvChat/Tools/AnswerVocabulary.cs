using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Tools;

/// <summary>A model's vocabulary as constraints need it; made when a constraint is first asked for. Thread-safe.</summary>
internal sealed class AnswerVocabulary(Tokenizer tokenizer)
{
    private readonly Lazy<TokenMasker> _masker = new(() => new TokenMasker(tokenizer));

    public Tokenizer Tokenizer => tokenizer;

    /// <exception cref="NotSupportedException">The vocabulary lacks tokens of single characters.</exception>
    public TokenMasker Masker => _masker.Value;
}
