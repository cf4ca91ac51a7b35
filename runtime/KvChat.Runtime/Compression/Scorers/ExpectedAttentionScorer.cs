using System.Buffers;
using System.Numerics.Tensors;

namespace KvChat.Runtime.Compression;

/// <summary>
/// Expected attention (arXiv 2510.00636): what the model's queries are like is known from <see cref="QueryStatistics"/>, so the attention that those of the next 512 positions will pay on average follows from the
/// keys alone. With mu and S the mean and covariance of a query head's queries, rotated by the mean rotation of these positions, <c>s_j = softmax_j(k.mu c + k^T S k c^2 / 2)</c>, c being the factor of
/// attention logits; the mean over the group, plus 0.01, times the length of the value.
/// </summary>
/// <remarks>While decoding, a KV keeps the logits of the first stop that sees it, of the 512 positions behind that stop; the softmax is over the KVs that are there.</remarks>
public sealed class ExpectedAttentionScorer : KeyScorer
{
    private const int FuturePositions = 512;
    private const float Least = 0.01f;
    private static readonly ExpectedLogits Logits = new();

    /// <inheritdoc/>
    public override string Name => "expected-attention";

    /// <inheritdoc/>
    public override void ReadScores(in ScoredHead head, Span<float> scores)
    {
        if (scores.IsEmpty)
            return;
        int length = scores.Length, group = head.Model.Shape.QueryHeads / head.Model.Shape.KvHeads, numbers = checked(length * Logits.Count(head));
        float[] rented = ArrayPool<float>.Shared.Rent(numbers);
        Span<float> facts = rented.AsSpan(0, numbers);
        Logits.Read(head, facts);
        scores.Clear();
        for (int member = 0; member < group; member++)
        {
            Span<float> own = facts.Slice(member * length, length);
            TensorPrimitives.SoftMax(own, own);
            TensorPrimitives.Add(scores, own, scores);
        }

        TensorPrimitives.Multiply(scores, 1f / group, scores);
        TensorPrimitives.Add(scores, Least, scores);
        TensorPrimitives.Multiply(scores, facts[(group * length)..], scores);
        ArrayPool<float>.Shared.Return(rented);
    }

    /// <summary>Expected logits of each query head of the group, then the length of the value.</summary>
    private sealed class ExpectedLogits : KvFacts
    {
        public override int Count(in ScoredHead head) => (head.Model.Shape.QueryHeads / head.Model.Shape.KvHeads) + 1;

        // The mean rotation turns keys back in place of queries: once for the whole group, and a vector each in place of a matrix.
        protected override void Measure(in ScoredHead head, int first, ReadOnlySpan<int> positions, Span<float> facts)
        {
            int dim = head.HeadDim, length = positions.Length, group = Count(head) - 1, numbers = checked((length - first) * dim);
            float scale = head.Model.Shape.AttentionScale;
            float[] rented = ArrayPool<float>.Shared.Rent(numbers + length - first);
            Span<float> vectors = rented.AsSpan(0, numbers), means = rented.AsSpan(numbers, length - first);
            head.ReadKeys(first, vectors);
            MeanRotation.Of(head.Model.Shape, head.Layer, TensorPrimitives.Max(positions) + 1, FuturePositions).TurnBack(vectors, dim);
            for (int member = 0; member < group; member++)
            {
                QueryMoments moments = head.Model.Queries.Of(head.Layer, (head.KvHead * group) + member);
                Span<float> own = facts.Slice(member * length, length)[first..];
                VectorRows.QuadraticForms(moments.Covariance, vectors, dim, own);
                VectorRows.Dot(vectors, moments.Mean, means);
                for (int i = 0; i < own.Length; i++)
                    own[i] = (means[i] * scale) + (own[i] * scale * scale / 2);
            }

            head.ReadValues(first, vectors);
            Span<float> lengths = facts[(group * length)..][first..];
            for (int i = 0; i < lengths.Length; i++)
                lengths[i] = TensorPrimitives.Norm(vectors.Slice(i * dim, dim));
            ArrayPool<float>.Shared.Return(rented);
        }
    }
}
