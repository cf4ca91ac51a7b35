using KvChat.Runtime.Text;
using KvChat.StructuredOutput.Masks;

namespace KvChat.Tools;

/// <summary>A model's vocabulary as constraints need it; made when a constraint is first asked for. Thread-safe.</summary>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="syntax">How the model writes calls.</param>
internal sealed class AnswerVocabulary(Tokenizer tokenizer, ToolCallSyntax syntax)
{
    private readonly Lazy<TokenMasker> _masker = new(() => new TokenMasker(tokenizer));

    private readonly Lazy<int[]> _breaks = new(() => [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => IsBreak(tokenizer, id))]);

    public Tokenizer Tokenizer => tokenizer;

    /// <summary>Special tokens that are the marks around calls: trained models write these and do not spell them.</summary>
    public IReadOnlyList<int> Marks { get; } = [.. MarksOf(tokenizer, syntax)];

    /// <summary>Tokens of line breaks and nothing else.</summary>
    public IReadOnlyList<int> Breaks => _breaks.Value;

    /// <exception cref="NotSupportedException">The vocabulary lacks tokens of single characters.</exception>
    public TokenMasker Masker => _masker.Value;

    private static IEnumerable<int> MarksOf(Tokenizer tokenizer, ToolCallSyntax syntax) =>
        from mark in syntax.Marks
        let id = tokenizer.Find(mark)
        where id is not null && (tokenizer.KindOf(id.Value) is TokenKind.Control or TokenKind.UserDefined)
        select id.Value;

    private static bool IsBreak(Tokenizer tokenizer, int id) =>
        (tokenizer.KindOf(id) is TokenKind.Normal or TokenKind.Byte or TokenKind.UserDefined) && tokenizer.BytesOf(id) is { Length: > 0 } bytes && !bytes.ContainsAnyExcept((byte)'\n');
}
