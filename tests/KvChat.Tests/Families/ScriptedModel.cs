using KvChat.Runtime.Sampling;
using KvChat.Runtime.Text;

namespace KvChat.Tests.Families;

/// <summary>
/// Stands for a trained model: draws the tokens of a script, through whatever the client holds the answer to. What the client forbids of the script fails the request.
/// </summary>
internal sealed class ScriptedModel(Tokenizer tokenizer)
{
    private readonly Queue<int[]> _answers = [];

    /// <summary>The next answer, special tokens by their text.</summary>
    public void Says(string answer) => _answers.Enqueue(tokenizer.Encode(new RenderedText(answer, [new OriginRun(0, answer.Length, RenderedText.Template)])).Ids);

    /// <summary>The constraint of the next answer.</summary>
    public ITokenConstraint Next(ITokenConstraint? held) => new Follower(_answers.Dequeue(), held);

    private sealed class Follower(int[] script, ITokenConstraint? held) : ITokenConstraint
    {
        private int _at;

        public bool MustStop => held is { MustStop: true };

        public bool Apply(Span<float> logits)
        {
            if (_at == script.Length)
                throw new InvalidOperationException("The script is over, and the answer goes on: its last token did not end it.");
            bool any = held is null || held.Apply(logits);
            int token = script[_at];
            if (any && float.IsNegativeInfinity(logits[token]))
                throw new InvalidOperationException($"Token {token}, number {_at} of the script, is forbidden.");
            logits.Fill(float.NegativeInfinity);
            logits[token] = 0;
            return any;
        }

        public void Accept(int token)
        {
            held?.Accept(token);
            _at++;
        }
    }
}
