using System.Text;
using KvChat.Runtime.Text;

namespace KvChat.Answers;

/// <summary>Turns an answer's tokens into its text. One per answer.</summary>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="marks">Texts of control tokens that are to be seen, such as those around calls; all others are left out.</param>
internal sealed class AnswerText(Tokenizer tokenizer, IReadOnlyCollection<string> marks)
{
    private readonly StreamingDetokenizer _detokenizer = new(tokenizer);
    private readonly List<int> _tokens = [];
    private readonly StringBuilder _text = new();

    /// <summary>Tokens taken.</summary>
    public int TokenCount => _tokens.Count;

    /// <summary>The tokens.</summary>
    public int[] Tokens => [.. _tokens];

    /// <summary>All of the text given out so far.</summary>
    public string All => _text.ToString();

    /// <summary>Takes a token and gives the text that is certain now; often empty.</summary>
    public string Append(int token)
    {
        _tokens.Add(token);
        if (marks.Count > 0 && tokenizer.KindOf(token) == TokenKind.Control && tokenizer.TextOf(token) is { } mark && marks.Contains(mark))
            return Note(_detokenizer.Flush() + mark);
        return Note(_detokenizer.Append(token));
    }

    /// <summary>The answer is over: gives what was held back.</summary>
    public string Flush() => Note(_detokenizer.Flush());

    private string Note(string text)
    {
        _text.Append(text);
        return text;
    }
}
