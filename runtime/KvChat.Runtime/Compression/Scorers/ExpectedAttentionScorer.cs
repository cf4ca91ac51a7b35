using System.Buffers;
using System.Numerics.Tensors;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Expected attention (arXiv 2510.00636): what the model's queries are like is known from <see cref="QueryStatistics"/>, so the attention that those of the next 512 positions will pay on average follows from the
/// keys alone. With mu and S the mean and covariance of a query head's queries, rotated by the mean rotation of these positions, <c>s_j = softmax_j(k.mu c + k^T S k c^2 / 2)</c>, c being the factor of
/// attention logits; the mean over the group, plus 0.01, times the length of the value.
/// </summary>
public sealed class ExpectedAttentionScorer : KeyScorer
{
    private const int FuturePositions = 512;
    private const float Least = 0.01f;

    /// <inheritdoc/>
    public override string Name => "expected-attention";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        if (scores.IsEmpty)
            return;
        int dim = head.HeadDim, group = head.Model.Shape.QueryHeads / head.Model.Shape.KvHeads, numbers = checked(scores.Length * dim);
        float[] vectors = ReadKeys(head, scores.Length), logits = ArrayPool<float>.Shared.Rent(scores.Length);
        Span<float> own = logits.AsSpan(0, scores.Length);
        var rotation = MeanRotation.Of(head.Model.Shape, head.Layer, NextPosition(head, scores.Length), FuturePositions);
        float scale = head.Model.Shape.AttentionScale;
        scores.Clear();
        for (int member = 0; member < group; member++)
        {
            QueryMoments moments = rotation.Turn(head.Model.Queries.Of(head.Layer, (head.KvHead * group) + member));
            for (int i = 0; i < own.Length; i++)
            {
                ReadOnlySpan<float> key = vectors.AsSpan(i * dim, dim);
                own[i] = (TensorPrimitives.Dot(key, moments.Mean) * scale) + (moments.Spread(key) * scale * scale / 2);
            }

            TensorPrimitives.SoftMax(own, own);
            TensorPrimitives.Add(scores, own, scores);
        }

        head.ReadValues(vectors.AsSpan(0, numbers));
        for (int i = 0; i < scores.Length; i++)
            scores[i] = ((scores[i] / group) + Least) * TensorPrimitives.Norm(vectors.AsSpan(i * dim, dim));
        ArrayPool<float>.Shared.Return(vectors);
        ArrayPool<float>.Shared.Return(logits);
    }

    private static int NextPosition(in ScoredHead head, int length)
    {
        int[] positions = ReadPositions(head, length);
        int last = TensorPrimitives.Max<int>(positions.AsSpan(0, length));
        ArrayPool<int>.Shared.Return(positions);
        return last + 1;
    }
}
