using System.Numerics.Tensors;
using KvChat.Runtime.Sampling;

namespace KvChat.Evaluation.Grid;

/// <summary>
/// Makes an answer follow a given text, whatever the model would say, and keeps the model's distribution of every next token, or compares it with one kept before.
/// </summary>
/// <param name="text">The tokens to be followed.</param>
/// <param name="reference">The full cache's run over the same text; null where this is that run.</param>
internal sealed class TextFollower(ReadOnlyMemory<int> text, TextFollower? reference) : ITokenConstraint
{
    private readonly List<float[]> _rows = [];
    private double _divergence;
    private int _at, _sameTop;

    /// <inheritdoc/>
    public bool MustStop => _at >= text.Length;

    /// <summary>Positions seen.</summary>
    public int Tokens => _at;

    /// <summary>Mean KL divergence from the reference, in nats.</summary>
    public double Divergence => _at == 0 ? 0 : _divergence / _at;

    /// <summary>Share of positions with the reference's most likely token.</summary>
    public double SameTop => _at == 0 ? 1 : (double)_sameTop / _at;

    /// <inheritdoc/>
    public bool Apply(Span<float> logits)
    {
        var row = new float[logits.Length];
        LogProbabilities(logits, row);
        if (reference is null)
            _rows.Add(row);
        else
            Compare(reference._rows[_at], row);
        logits.Fill(float.NegativeInfinity);
        logits[text.Span[_at]] = 0;
        return true;
    }

    /// <inheritdoc/>
    public void Accept(int token) => _at++;

    private static void LogProbabilities(ReadOnlySpan<float> logits, Span<float> row)
    {
        float max = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - max);
        TensorPrimitives.Subtract(logits, (float)(max + Math.Log(sum)), row);
    }

    private void Compare(float[] full, float[] row)
    {
        double sum = 0;
        for (int i = 0; i < row.Length; i++)
            sum += Math.Exp(full[i]) * ((double)full[i] - row[i]);
        _divergence += Math.Max(0, sum); // below zero only by rounding
        _sameTop += TensorPrimitives.IndexOfMax<float>(full) == TensorPrimitives.IndexOfMax<float>(row) ? 1 : 0;
    }
}
