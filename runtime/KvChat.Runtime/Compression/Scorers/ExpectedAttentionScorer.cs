using System.Buffers;
using System.Numerics.Tensors;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Expected attention (arXiv 2510.00636): what the model's queries are like is known from <see cref="QueryStatistics"/>, so the attention that those of the next 512 positions will pay on average follows from the
/// keys alone. With mu and S the mean and covariance of a query head's queries, rotated by the mean rotation of these positions, <c>s_j = softmax_j(k.mu c + k^T S k c^2 / 2)</c>, c being the factor of
/// attention logits; the mean over the group, plus 0.01, times the length of the value.
/// </summary>
/// <remarks>While decoding, the softmax's sums stay those of the end of the prompt.</remarks>
public sealed class ExpectedAttentionScorer : KeyScorer
{
    private const int FuturePositions = 512;
    private const float Least = 0.01f;

    /// <inheritdoc/>
    public override string Name => "expected-attention";

    private protected override float[] Refer(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, Span<float> scores)
    {
        float[] logSums = new float[head.Model.Shape.QueryHeads / head.Model.Shape.KvHeads];
        Run(head, keys, positions, logSums, isKnown: false, scores);
        return logSums;
    }

    private protected override void Score(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, ReadOnlySpan<float> reference, Span<float> scores)
    {
        Span<float> logSums = stackalloc float[reference.Length];
        reference.CopyTo(logSums);
        Run(head, keys, positions, logSums, isKnown: true, scores);
    }

    // The mean rotation turns keys back in place of queries: once for the whole group, and a vector each in place of a matrix.
    private static void Run(in ScoredHead head, Span<float> keys, ReadOnlySpan<int> positions, Span<float> logSums, bool isKnown, Span<float> scores)
    {
        int dim = head.HeadDim;
        float scale = head.Model.Shape.AttentionScale;
        float[] rented = ArrayPool<float>.Shared.Rent(scores.Length);
        Span<float> own = rented.AsSpan(0, scores.Length);
        MeanRotation.Of(head.Model.Shape, head.Layer, TensorPrimitives.Max(positions) + 1, FuturePositions).TurnBack(keys, dim);
        scores.Clear();
        for (int member = 0; member < logSums.Length; member++)
        {
            QueryMoments moments = head.Model.Queries.Of(head.Layer, (head.KvHead * logSums.Length) + member);
            QuadraticForm.Of(moments.Covariance, keys, dim, own);
            for (int i = 0; i < own.Length; i++)
                own[i] = (TensorPrimitives.Dot(keys.Slice(i * dim, dim), moments.Mean) * scale) + (own[i] * scale * scale / 2);
            if (!isKnown)
                logSums[member] = LogSum(own);
            TensorPrimitives.Subtract(own, logSums[member], own);
            TensorPrimitives.Exp(own, own);
            TensorPrimitives.Add(scores, own, scores);
        }

        head.ReadValues(head.Length - scores.Length, keys);
        for (int i = 0; i < scores.Length; i++)
            scores[i] = ((scores[i] / logSums.Length) + Least) * TensorPrimitives.Norm(keys.Slice(i * dim, dim));
        ArrayPool<float>.Shared.Return(rented);
    }

    private static float LogSum(ReadOnlySpan<float> logits)
    {
        float largest = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - largest);
        return largest + (float)Math.Log(sum);
    }
}
